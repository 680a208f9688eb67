"""Candidates that another search measured are not measured again, if it measured the same."""

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from unigurd_trainer.errors import DataError, RecipeError  # noqa: E402
from unigurd_trainer.search.evaluator import Evaluator  # noqa: E402
from unigurd_trainer.search.stage import run  # noqa: E402


def records(folder):
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def test_a_search_with_known_candidates_ends_like_one_that_measures_them(
    make_search, tiny_data, tmp_path, one_thread, monkeypatch
):
    run(make_search(trials=2), tiny_data, tmp_path / "first")
    plain = run(make_search(trials=2, sampler="ucb"), tiny_data, tmp_path / "plain")
    scored: list[int] = []
    alone = Evaluator.alone

    def counted(self, index):
        scored.append(index)
        return alone(self, index)

    monkeypatch.setattr(Evaluator, "alone", counted)
    known = run(make_search(trials=2, sampler="ucb"), tiny_data, tmp_path / "known", known=tmp_path / "first")
    assert scored == []
    assert known["references"] == plain["references"]
    assert known["best"] == plain["best"]
    assert {"single", "reference"} <= {record["kind"] for record in records(tmp_path / "known")}


def test_what_was_measured_otherwise_is_not_taken(make_search, tiny_data, tmp_path, one_thread):
    run(make_search(trials=1, references=False), tiny_data, tmp_path / "first")
    for name, changes, differs in (
        ("threshold", {"threshold": 0.4}, "measures"),
        ("rows", {"rows": {"least": 4, "search": 6}}, "rows, measures"),
    ):
        with pytest.raises(RecipeError, match=f"knows nothing of this search: they differ in {differs}"):
            run(make_search(trials=1, **changes), tiny_data, tmp_path / name, known=tmp_path / "first")
    with pytest.raises(DataError, match="cannot be read"):
        run(make_search(trials=1), tiny_data, tmp_path / "none", known=tmp_path / "nowhere")


def test_a_search_that_goes_on_keeps_its_own_measurements(make_search, tiny_data, tmp_path, one_thread):
    for name in ("first", "second"):
        run(make_search(trials=1, references=False), tiny_data, tmp_path / name)
    before = records(tmp_path / "second")
    run(make_search(trials=1, references=False), tiny_data, tmp_path / "second", known=tmp_path / "first")
    assert records(tmp_path / "second") == before
