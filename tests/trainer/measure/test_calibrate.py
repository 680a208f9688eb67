"""Calibration finds the temperature that made the labels, keeps its promises, and touches no row of a report."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from unigurd_sdk.checkpoint import Checkpoint, write_manifest
from unigurd_sdk.errors import ConfigError
from unigurd_sdk.guard import Guard
from unigurd_trainer.errors import DataError
from unigurd_trainer.measure import calibrate
from unigurd_trainer.measure import cli as measure_cli
from unigurd_trainer.measure.calibrate import Threshold, fit_temperature, fit_threshold
from unigurd_trainer.measure.sets import half
from unigurd_trainer.metrics import nll

TRUE_TEMPERATURE = 2.0


def sigmoid(values):
    return 1 / (1 + np.exp(-np.asarray(values)))


def rewrite_pool(folder, rows):
    """Replace the public dev rows; `rows` are (grade, unsafe), made different by words that the model ignores."""
    lines = [
        {"text": f"{grade} row {n}", "label": "unsafe" if unsafe else "safe"}
        | {"policy": "hate", "source": "s", "split": "dev"}
        for n, (grade, unsafe) in enumerate(rows)
    ]
    lines.append({"text": "zebra", "label": "", "policy": "", "source": "chat", "split": "dev"})
    lines.append({"text": "m6 train", "label": "safe", "policy": "hate", "source": "s", "split": "train"})
    (folder / "pool/all.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def overconfident(folder, count=1600):
    """Labels with the odds of half of the logit: the right temperature is 2."""
    rng = np.random.default_rng(0)
    grades = rng.integers(1, 17, count) * rng.choice([-1, 1], count)
    unsafe = rng.random(count) < sigmoid(grades / 4 / TRUE_TEMPERATURE)
    rewrite_pool(folder, [(f"{'p' if g > 0 else 'm'}{abs(g)}", int(u)) for g, u in zip(grades, unsafe, strict=True)])
    (folder / "sdg/all.jsonl").write_text(
        "".join(
            json.dumps(
                {"policy": name, "text": f"{name} {split}", "label": "safe", "group": "g", "split": split}
                | {"policy_split": seen}
            )
            + "\n"
            for name, split, seen in (("tax", "train", "seen"), ("vat", "dev", "unseen"))
        )
    )


def test_the_temperature_of_two_logits_is_known():
    """Three of four rows at logit 2 are unsafe, and one of four at -2: sigmoid(2 / T) = 3/4, so T = 2 / ln 3."""
    labels, logits = np.array([1, 1, 1, 0, 0, 0, 0, 1]), np.array([2.0] * 4 + [-2.0] * 4)
    assert fit_temperature(labels, logits) == pytest.approx(2 / math.log(3), rel=1e-4)


def test_the_temperature_is_the_best_there_is():
    rng = np.random.default_rng(1)
    logits = rng.normal(size=500) * 3
    labels = (rng.random(500) < sigmoid(logits / 1.7)).astype(np.int64)
    found = fit_temperature(labels, logits)
    assert all(nll(labels, logits, found) <= nll(labels, logits, found * factor) for factor in (0.9, 0.99, 1.01, 1.1))


def test_a_temperature_stays_in_bounds_where_nothing_bounds_it():
    separable, wrong = np.array([0, 1]), np.array([1, 0])
    logits = np.array([-3.0, 3.0])
    assert fit_temperature(separable, logits) == pytest.approx(calibrate.COOL, rel=1e-4)
    assert fit_temperature(wrong, logits) == pytest.approx(calibrate.HOT, rel=1e-4)


@pytest.mark.parametrize("labels", [[], [1, 1], [0, 0]])
def test_a_temperature_needs_both_classes(labels):
    with pytest.raises(DataError, match="safe and unsafe"):
        fit_temperature(np.array(labels, dtype=np.int64), np.zeros(len(labels)))


def test_a_threshold_is_drawn_towards_a_half():
    """200 rows split at .8 and .6: the best is .7, and 200 rows count as much as .5 does."""
    labels, scores = np.repeat([1, 0], 100), np.repeat([0.8, 0.6], 100)
    drawn = float(sigmoid(math.log(0.7 / 0.3) / 2))
    assert fit_threshold(labels, scores) == Threshold(round(drawn, 4), 0.7, 1.0, 200, 100)


def test_a_threshold_keeps_the_false_positive_rate():
    """A tenth of the safe rows scores .8, between unsafe rows of .9 and .7: flagging .7 too has the better F1."""
    labels = np.repeat([1, 0, 1, 0], [50, 10, 50, 90])
    scores = np.repeat([0.9, 0.8, 0.7, 0.1], [50, 10, 50, 90])
    loose, strict = fit_threshold(labels, scores, most_fpr=0.2), fit_threshold(labels, scores, most_fpr=0.05)
    assert loose is not None and strict is not None
    assert (loose.best, strict.best) == (0.4, 0.85)


@pytest.mark.parametrize(("unsafe", "safe"), [(74, 75), (29, 200), (200, 29)])
def test_few_rows_give_no_threshold(unsafe, safe):
    assert fit_threshold(np.repeat([1, 0], [unsafe, safe]), np.repeat([0.9, 0.1], [unsafe, safe])) is None


def test_no_threshold_where_none_keeps_the_false_positive_rate():
    assert fit_threshold(np.repeat([0, 1], 100), np.repeat([0.9, 0.8], 100)) is None


def test_a_checkpoint_is_calibrated_in_place(graded_checkpoint, data):
    overconfident(data)
    outcome = calibrate.run(graded_checkpoint, data)
    manifest = Checkpoint.open(graded_checkpoint).manifest
    assert outcome.before == 1.0
    assert outcome.temperature == manifest.temperature == pytest.approx(TRUE_TEMPERATURE, rel=0.15)
    assert manifest.thresholds == {"hate": outcome.thresholds["hate"].value}
    assert outcome.checkpoint_id == Checkpoint.open(graded_checkpoint).id
    for fit in outcome.fits.values():
        assert fit.nll_after < fit.nll_before
        assert fit.ece_after < fit.ece_before
    assert sum(fit.rows for fit in outcome.fits.values()) == 1600


def test_the_guard_decides_by_the_new_manifest(graded_checkpoint, data):
    overconfident(data)
    outcome = calibrate.run(graded_checkpoint, data)
    with Guard.from_pretrained(graded_checkpoint) as guard:
        verdict, other = guard.check("p4", policy="hate"), guard.check("p4", policy="tax")
    assert verdict.score == pytest.approx(float(sigmoid(1 / outcome.temperature)), abs=1e-6)
    assert (verdict.threshold, other.threshold) == (outcome.thresholds["hate"].value, 0.5)


def test_logits_are_exact_whatever_the_checkpoint_had(graded_checkpoint, data):
    """A temperature and thresholds of an earlier calibration change nothing but `before`."""
    overconfident(data, 400)
    first = calibrate.run(graded_checkpoint, data)
    manifest = Checkpoint.open(graded_checkpoint).manifest
    stale = {"temperature": 0.1, "thresholds": {"tax": 0.9}}
    write_manifest(graded_checkpoint, manifest.model_copy(update=stale))
    again = calibrate.run(graded_checkpoint, data)
    assert (again.temperature, again.thresholds) == (first.temperature, first.thresholds)
    assert again.before == 0.1
    assert "tax" not in Checkpoint.open(graded_checkpoint).manifest.thresholds


def test_the_correction_for_many_windows_does_not_distort_the_temperature(graded_checkpoint, data):
    """It is in units of the calibrated logit; at the probing temperature it would bury every long text."""
    overconfident(data)
    file = data / "pool/all.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    long = [row | {"text": row["text"] + " row" * 150} if row["label"] else row for row in rows]
    file.write_text("".join(json.dumps(row) + "\n" for row in long))
    outcome = calibrate.run(graded_checkpoint, data)
    assert Checkpoint.open(graded_checkpoint).manifest.window_slope > 0
    assert outcome.temperature == pytest.approx(TRUE_TEMPERATURE, rel=0.25)
    assert all(fit.nll_after < fit.nll_before for fit in outcome.fits.values())


def test_rows_of_reports_and_benchmarks_do_not_calibrate(graded_checkpoint, data):
    overconfident(data, 400)
    first = calibrate.run(graded_checkpoint, data)
    file = data / "pool/all.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for row in rows:
        if half(row["text"]) == "report" and row["label"]:
            row["label"] = "safe"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (data / "dev").mkdir()
    (data / "dev/broken.jsonl").write_text("not read\n")
    again = calibrate.run(graded_checkpoint, data)
    assert (again.temperature, again.thresholds) == (first.temperature, first.thresholds)
    assert again.fits["calibrate"].nll_after == first.fits["calibrate"].nll_after
    assert again.fits["report"] != first.fits["report"]


def test_a_share_must_be_one(graded_checkpoint, data):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        calibrate.run(graded_checkpoint, data, most_fpr=5)


def test_a_policy_may_have_a_share_of_its_own(graded_checkpoint, data):
    overconfident(data)
    strict = calibrate.run(graded_checkpoint, data, most_fpr=0.01).thresholds["hate"]
    free = calibrate.run(graded_checkpoint, data, most_fpr=0.01, policy_fpr={"hate": 0.5}).thresholds["hate"]
    assert free.value < strict.value
    assert free.f1 > strict.f1
    with pytest.raises(ConfigError, match="haet"):
        calibrate.run(graded_checkpoint, data, policy_fpr={"haet": 0.5})
    with pytest.raises(ConfigError, match="between 0 and 1"):
        calibrate.run(graded_checkpoint, data, policy_fpr={"hate": 5.0})


def test_a_failure_leaves_the_checkpoint_as_it_was(graded_checkpoint, data):
    before = Checkpoint.open(graded_checkpoint).id
    rewrite_pool(data, [("m4", 0)] * 50)
    file = data / "sdg/all.jsonl"
    file.write_text(file.read_text().replace('"unsafe"', '"safe"'))
    with pytest.raises(DataError, match="safe and unsafe"):
        calibrate.run(graded_checkpoint, data)
    assert Checkpoint.open(graded_checkpoint).id == before


def test_the_command_says_what_it_did(graded_checkpoint, data):
    overconfident(data, 400)
    app = typer.Typer()
    measure_cli.register(app)
    arguments = ["calibrate", str(graded_checkpoint), "--data", str(data), "--most-fpr", "0.1"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["temperature"] == Checkpoint.open(graded_checkpoint).manifest.temperature
