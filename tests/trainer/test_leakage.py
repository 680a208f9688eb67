"""Nothing that only measures gets into training."""

from __future__ import annotations

from pathlib import Path

import pytest

from unigurd_trainer.errors import LeakageError, TrainerError
from unigurd_trainer.leakage import assert_trainable, check_leakage, normalised
from unigurd_trainer.rows import CellKey, ConditionedRow, DevRow, Example, IntentRow, PoolRow

KEY = CellKey("s", "d", "i")


def example(text, source="train"):
    return Example(text, 0, source, "MIT")


def test_matches_are_found_beyond_case_width_and_spacing():
    report = check_leakage([example("Ｈello   World\n"), example("bye")], [example("hello world")])
    assert [row.text for row in report.rows] == ["Ｈello   World\n"]
    assert report


def test_the_report_counts_by_source():
    rows = [example("a", "x"), example("A", "x"), example("a", "y"), example("b", "z")]
    assert check_leakage(rows, [example("a")]).by_source == {"x": 2, "y": 1}


def test_no_leakage_is_an_empty_report():
    report = check_leakage([example("a")], [example("b")])
    assert not report
    report.raise_if_any()


def test_a_report_can_raise_with_its_counts():
    with pytest.raises(LeakageError, match=r"1 training texts .*train: 1"):
        check_leakage([example("a")], [example("a")]).raise_if_any()


def test_leakage_is_an_error_of_the_trainer():
    assert issubclass(LeakageError, TrainerError)


@pytest.mark.parametrize(
    "row",
    [
        DevRow("t", 1, "safety", "", "bench", "MIT"),
        IntentRow("t", KEY, "test", "s", "MIT"),
        IntentRow("t", KEY, "test-finance", "s", "MIT"),
        PoolRow("t", 1, "hate", "", "Test", "s", "MIT"),
        ConditionedRow("p", "t", 1, "", "g", "train", "unseen", "s", "MIT"),
    ],
)
def test_rows_that_measure_may_not_train(row):
    with pytest.raises(LeakageError, match="may not train|use it to measure"):
        assert_trainable(row)


@pytest.mark.parametrize(
    "path",
    [
        "data/dev/advbench.jsonl.gz",
        "data/dev",
        "hate_test.jsonl",
        "x/test.jsonl.gz",
        "x/test/a.jsonl",
        "a-TEST.csv",
    ],
)
def test_files_that_measure_may_not_train(path):
    with pytest.raises(LeakageError, match="may not train"):
        assert_trainable(Path(path))


@pytest.mark.parametrize(
    "data",
    [
        Path("/dev/shm/data/pool/hate.jsonl.gz"),
        Path("data/pool/attestation.jsonl"),
        IntentRow("t", KEY, "validation", "s", "MIT"),
        PoolRow("t", None, "", "", "train", "s", "MIT"),
    ],
)
def test_the_rest_may_train(data):
    assert_trainable(data)


def test_normalising_keeps_different_texts_apart():
    assert normalised("Straße") == normalised("STRASSE")
    assert normalised("a b") != normalised("ab")
