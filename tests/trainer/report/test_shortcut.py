"""Shortcuts: words that give the label away are measured and named."""

from __future__ import annotations

import pytest

from unigurd_trainer.dedup.records import Record
from unigurd_trainer.report.shortcut import measure_shortcut


def records(rows):
    return [Record(row["text"], row["label"], id=str(number), policy=row["policy"]) for number, row in enumerate(rows)]


def shortcut_of(rows):
    return measure_shortcut(rows)


def test_words_that_tell_the_label_are_found_and_named(make_rows):
    found = shortcut_of(records(make_rows(120)))
    assert found.wording > 0.98
    assert found.within_policy == pytest.approx(found.wording)
    assert {"weapon", "poison", "attack", "murder"} <= set(found.unsafe_words)
    assert {"recipe", "garden", "kitchen", "holiday"} <= set(found.safe_words)


def test_words_that_do_not_tell_are_near_chance(make_rows):
    assert 0.35 < shortcut_of(records(make_rows(400, telling=0.0))).wording < 0.65


def test_a_label_that_depends_on_the_policy_cannot_be_told_from_words(make_rows):
    rows = list(make_rows(400))
    other = [{**row, "label": 1 - row["label"], "policy": "opposite"} for row in make_rows(400, seed=1)]
    assert shortcut_of(records([*rows, *other])).wording < 0.65


def test_length_is_measured_in_the_better_direction():
    rows = [Record("word " * (30 if label == 0 else 5), label, id=str(n)) for n in range(20) for label in (0, 1)]
    assert shortcut_of(rows).length == 1.0


def test_groups_are_not_learned_by_heart(make_rows):
    texts = [f"unique{number} words{number}" for number in range(30)]
    rows = [Record(text, n % 2, group=str(n), id=f"{n}{copy}") for n, text in enumerate(texts) for copy in range(4)]
    assert shortcut_of(rows).wording < 0.8


@pytest.mark.parametrize("labels", [[0, 1] * 5, [0] * 30])
def test_too_few_rows_are_not_measured(labels):
    found = shortcut_of([Record(f"text {n}", label, id=str(n)) for n, label in enumerate(labels)])
    assert found.wording is None
    assert found.within_policy is None
