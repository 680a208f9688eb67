"""The bootstrap gives what a plain loop over resampled rows gives, and its intervals cover."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from unigurd_trainer.measure import resample as module
from unigurd_trainer.measure.resample import interval, resample

MEASURES = ("f1", "macro_f1", "precision", "recall", "fpr", "auc", "auprc")


def rows(seed, size, spread=1.5):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(size) % 3 == 0).astype(int)
    return labels, np.round(1 / (1 + np.exp(-(2 * labels - 1 + rng.normal(0, spread, size)))), 2)


@pytest.mark.parametrize(
    ("size", "names"),
    [
        (60, {}),
        (60, {"groups": [f"g{n // 2}" if n < 40 else "" for n in range(60)]}),
        (240, {"policies": [f"p{n % 40}" for n in range(240)]}),
    ],
    ids=["rows", "groups", "policies"],
)
def test_every_resample_is_measured_as_its_rows_would_be(make_judged, size, names):
    judged = make_judged(*rows(0, size), **names)
    _, unit = module._units(judged)
    drawn = next(module._draws(module._strata(judged, unit, unit.max() + 1), size, 25, (0,)))
    fast = resample(judged, 25, (0,)).values
    assert set(fast) == set(MEASURES)
    for place in range(25):
        again = judged.part(np.repeat(np.arange(size), drawn[place][unit].astype(int)))
        slow = asdict(again.measure())
        assert {name: fast[name][place] for name in MEASURES} == pytest.approx({name: slow[name] for name in MEASURES})


@pytest.mark.parametrize(
    ("names", "unit", "units"),
    [
        ({}, "row", 60),
        ({"groups": [f"g{n // 2}" if n < 40 else "" for n in range(60)]}, "group", 40),
        ({"policies": [f"p{n % 29}" for n in range(60)]}, "row", 60),
        ({"policies": [f"p{n % 30}" for n in range(60)], "groups": ["g"] * 60}, "policy", 30),
    ],
)
def test_what_belongs_together_is_drawn_together(make_judged, names, unit, units):
    drawn = resample(make_judged(*rows(0, 60), **names), 5)
    assert (drawn.unit, drawn.units) == (unit, units)


def test_twins_make_the_interval_wider(make_judged):
    """Ten copies of a row say no more than one."""
    labels, scores = rows(1, 60)
    copied = np.repeat(labels, 10), np.repeat(scores, 10)
    alone = resample(make_judged(*copied)).intervals()["f1"]
    together = resample(make_judged(*copied, groups=[f"g{n // 10}" for n in range(600)])).intervals()["f1"]
    once = resample(make_judged(labels, scores)).intervals()["f1"]
    assert alone.high - alone.low < 0.5 * (together.high - together.low)
    assert together == pytest.approx(once, abs=0.02)


def test_a_resample_keeps_the_classes_and_a_seed_repeats_it(make_judged):
    judged = make_judged([1, *[0] * 40], np.linspace(1, 0, 41))
    assert (resample(judged, 200).values["recall"] == 1.0).all()
    first, again, other = (resample(judged, 50, seed).values["fpr"] for seed in ((3,), (3,), (4,)))
    assert (first == again).all() and (first != other).any()


def test_many_resamples_are_drawn_in_pieces(make_judged, monkeypatch):
    judged = make_judged(*rows(0, 60))
    whole = resample(judged, 40).values
    monkeypatch.setattr(module, "CELLS", 60 * 7)
    parts = resample(judged, 40).values
    assert all(len(values) == 40 for values in parts.values())
    assert {name: values.mean() for name, values in parts.items()} == pytest.approx(
        {name: values.mean() for name, values in whole.items()}, abs=0.05
    )


@pytest.mark.parametrize(("label", "shown"), [(0, {"fpr"}), (1, {"recall"})])
def test_one_class_shows_what_it_can(make_judged, label, shown):
    assert set(resample(make_judged([label] * 9, np.linspace(0, 1, 9)), 20).values) == shown


def test_verdicts_without_scores_are_not_ranked(make_judged):
    labels, scores = rows(0, 60)
    assert set(resample(make_judged(labels, flagged=scores > 0.5), 5).values) == set(MEASURES) - {"auc", "auprc"}


def test_differences_are_paired(make_judged):
    """Two models that differ in one row differ little on every resample, however much both move."""
    labels, scores = rows(0, 200)
    one = make_judged(labels, scores)
    flipped = one.flagged.copy()
    flipped[0] = not flipped[0]
    drawn, other = resample(one), resample(replace(one, flagged=flipped))
    width = np.ptp(drawn.intervals()["f1"])
    assert np.ptp(interval(drawn.minus(other)["f1"])) < width / 5
    assert set(drawn.minus(resample(replace(one, scores=None)))) == set(MEASURES) - {"auc", "auprc"}


def test_the_interval_covers_as_often_as_it_says(make_judged):
    """FPR of .3 on 150 safe rows: about 95 % of 200 intervals hold it."""
    rng = np.random.default_rng(5)
    held = 0
    for number in range(200):
        judged = make_judged([0] * 150, rng.uniform(0, 1, 150) * (0.5 / 0.7))
        low, high = resample(judged, 200, (number,)).intervals()["fpr"]
        held += low <= 0.3 <= high
    assert 0.90 <= held / 200 <= 0.99
