"""A guard and predictions answer alike; invalid and missing answers are wrong answers; an interruption costs little."""

from __future__ import annotations

import json

import numpy as np
import pytest

from unigurd_sdk.errors import ConfigError
from unigurd_sdk.guard import Guard
from unigurd_sdk.policy import Policy
from unigurd_trainer.errors import DataError
from unigurd_trainer.measure.judges import GuardJudge, PredictionJudge, are_predictions, opened
from unigurd_trainer.measure.predictions import Header, Prediction, Predictions, read_predictions
from unigurd_trainer.measure.questions import asked, questions, write_questions
from unigurd_trainer.measure.sets import EvaluationSet
from unigurd_trainer.rows import Episode, Example

TAX, VAT = (Policy(name=name, description=f"No {name}.") for name in ("tax", "vat"))


@pytest.fixture
def chosen():
    """Rows of two policies and roles, one of them twice, in no order of length."""
    rows = [("p8 x", 1), ("m8", 0), ("p4", 0), ("p8 x", 1)]
    tax = tuple(Example(text, label, "s", "MIT", lang="de", category="c", group="g") for text, label in rows)
    vat = (Example("m32 y", 1, "s", "MIT", "document"), Example("m9", 0, "s", "MIT", "assistant", "m32", group="h"))
    return EvaluationSet("set", (Episode(TAX, tax, "dev"), Episode(VAT, vat, "dev")))


def predictions(rows, **header):
    return Predictions(Header(model="acme", **header), {row.id: row for row in rows}, "f" * 16)


def test_a_guard_answers_in_the_order_of_the_rows(graded_checkpoint, chosen):
    seen: list[int] = []
    with Guard.from_pretrained(graded_checkpoint) as guard:
        judged = GuardJudge(guard).judge(chosen, seen.append)
    logits = [2.0, -2.0, 1.0, 2.0, 12.0, 29.75]
    assert judged.scores == pytest.approx(1 / (1 + np.exp(-np.array(logits))), abs=1e-6)
    assert judged.labels.tolist() == [1, 0, 0, 1, 1, 0]
    assert judged.flagged.tolist() == [True, False, True, True, True, True]
    assert judged.languages.tolist() == ["de"] * 4 + ["en"] * 2
    assert judged.categories.tolist() == ["c"] * 4 + [""] * 2
    assert judged.groups.tolist() == ["g"] * 4 + ["", "h"]
    assert sum(seen) == len(judged) == 6


def test_questions_are_asked_once_and_say_nothing_of_labels(chosen, tmp_path):
    once = list(questions([chosen, chosen]))
    assert len(once) == 5 and len(list(asked(chosen.episodes))) == 6
    assert write_questions([chosen], tmp_path / "new" / "q.jsonl") == 5
    first, *_, last = map(json.loads, (tmp_path / "new" / "q.jsonl").read_text().splitlines())
    expected = {"id": once[0].id, "policy": "tax", "description": "No tax.", "allowed": [], "disallowed": []}
    assert first == expected | {"role": "user", "prompt": None, "text": "p8 x"}
    assert (last["role"], last["prompt"]) == ("assistant", "m32")


def test_kept_answers_are_predictions_and_are_not_asked_again(graded_checkpoint, chosen, tmp_path, monkeypatch):
    kept = tmp_path / "kept.jsonl"
    with opened(graded_checkpoint, keep=kept) as judge:
        first = judge.judge(chosen)
    lines = kept.read_text().splitlines(keepends=True)
    assert len(lines) == 1 + 5
    kept.write_text("".join(lines[:3]) + lines[3][:9])  # as a kill leaves it

    counted: list[str] = []
    seen: list[int] = []
    check = Guard.check_batch

    def counting(self, texts, **how):
        counted.extend(texts)
        return check(self, texts, **how)

    monkeypatch.setattr(Guard, "check_batch", counting)
    with opened(graded_checkpoint, keep=kept) as judge:
        again = judge.judge(chosen, seen.append)
    assert len(counted) == 3 and sum(seen) == 6
    with opened(kept) as judge:
        replayed = judge.judge(chosen)
    assert first.scores is not None
    for other in (again, replayed):
        assert other.scores is not None
        assert (list(other.scores), list(other.flagged)) == (list(first.scores), list(first.flagged))
    assert read_predictions(kept).header.settings["temperature"] == 1.0


def test_answers_of_another_checkpoint_are_not_taken_for_its_own(graded_checkpoint, chosen, tmp_path):
    kept = tmp_path / "kept.jsonl"
    kept.write_text(Header(model="graded", version="0").model_dump_json() + "\n")
    with pytest.raises(DataError, match="another model"), opened(graded_checkpoint, keep=kept):
        pass


def test_verdicts_come_before_the_threshold(chosen):
    flags = dict(zip(questions([chosen]), (None, True, False, None, None), strict=True))
    said = [Prediction(id=each.id, score=0.4, flagged=flag) for each, flag in flags.items()]
    judged = PredictionJudge(predictions(said, threshold=0.3)).judge(chosen)
    assert judged.flagged.tolist() == [True, True, False, True, True, True]
    assert np.isnan(judged.latency_ms).all()


def test_an_invalid_answer_is_wrong_whatever_it_says(chosen):
    keys = [each.id for each in questions([chosen])]
    right = {keys[0]: 0.9, keys[1]: 0.1, keys[2]: 0.1, keys[3]: 0.9, keys[4]: 0.1}
    rows = [Prediction(id=key, score=score, latency_ms=7.0) for key, score in right.items()]
    assert PredictionJudge(predictions(rows)).judge(chosen).measure().f1 == 1.0
    broken = [row if row.id != keys[0] else Prediction(id=row.id, invalid=True, flagged=True) for row in rows]
    judged = PredictionJudge(predictions(broken)).judge(chosen)
    assert judged.invalid.tolist() == [True, False, False, True, False, False]  # the row stands twice
    assert judged.flagged.tolist() == [False, False, False, False, True, False]
    assert judged.scores is not None and judged.scores[0] == 0.0
    assert judged.measure().recall == pytest.approx(1 / 3)


def test_only_invalid_answers_have_nothing_to_rank(chosen):
    rows = [Prediction(id=each.id, invalid=True) for each in questions([chosen])]
    metrics = PredictionJudge(predictions(rows)).judge(chosen).measure()
    assert (metrics.f1, metrics.fpr, metrics.auc) == (0.0, 1.0, None)


def test_rows_without_a_prediction_are_refused_and_counted_or_wrong(chosen):
    first, *_ = questions([chosen])
    found = predictions([Prediction(id=first.id, flagged=True)])
    with pytest.raises(DataError, match=r"4 of 5 different rows of set have no prediction by acme"):
        PredictionJudge(found).judge(chosen)
    judged = PredictionJudge(found, "wrong").judge(chosen)
    assert judged.invalid.sum() == 4 and judged.measure().fpr == 1.0


def test_predictions_are_not_kept_again(tmp_path):
    with pytest.raises(ConfigError, match="--keep"), opened("answers.jsonl", keep=tmp_path / "kept.jsonl"):
        pass


def test_predictions_say_who_they_are():
    system = PredictionJudge(predictions([], version="2", trained_on=["a"], settings={"t": 0}, threshold=0.7)).system
    assert (system.kind, system.name, system.version, system.threshold) == ("predictions", "acme", "2", 0.7)
    assert (system.trained_on, system.settings, system.rule) == (frozenset({"a"}), {"t": 0}, "as predicted")
    assert PredictionJudge(predictions([])).system.version == "f" * 16


def test_predictions_are_told_from_checkpoints(tmp_path, graded_checkpoint):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.jsonl").write_text("")
    assert are_predictions(tmp_path / "folder") and are_predictions("any.jsonl.gz")
    (graded_checkpoint / "log.jsonl").write_text("")
    assert not are_predictions(graded_checkpoint) and not are_predictions("uniguard")
