"""The bootstrap: how much a measure moves when the rows are drawn again.

Resamples draw units with replacement, separately for those that hold safe rows, unsafe rows, or both, so that a
resample has the classes of the set. A unit is a row; a group of rows that belong together, such as twins, where the
data name groups; or a policy, where there are so many (`MANY_POLICIES`) that the set speaks about policies and not
only about texts. The draws depend on the rows and the seed only: two models on one set are resampled alike, so that
the difference of their values is a paired bootstrap.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 6 and 13 (percentile intervals).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unigurd_trainer.measure.judged import Judged
from unigurd_trainer.metrics import last_of_tie

__all__ = ["Interval", "Resampled", "Unit", "interval", "resample"]

Unit = Literal["row", "group", "policy"]

MANY_POLICIES = 30
"""A set with so many policies is resampled by policy."""

CELLS = 1 << 20
"""Weights, in one piece of work: resamples times rows; each takes 8 bytes in a few arrays."""

COVERAGE = 0.95

Values = NDArray[np.float64]
Index = NDArray[np.intp]


class Interval(NamedTuple):
    """The middle 95 % of a measure's resampled values."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Resampled:
    """The values of measures over R resamples.

    Attributes:
        unit: What was drawn.
        units: How many there are.
        values: [R] by name, as in `Metrics`; what the set cannot show is not there.
    """

    unit: Unit
    units: int
    values: Mapping[str, Values]

    def intervals(self) -> dict[str, Interval]:
        """Return the interval of every measure."""
        return {name: interval(values) for name, values in self.values.items()}

    def minus(self, other: Resampled) -> dict[str, Values]:
        """Return the differences [R] from another model on the same rows, for the measures that both have."""
        return {name: values - other.values[name] for name, values in self.values.items() if name in other.values}


def interval(values: Values) -> Interval:
    """Return the percentile interval of resampled values; resamples without a class do not count."""
    low, high = np.nanquantile(values, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return Interval(float(low), float(high))


def resample(judged: Judged, count: int = 1000, seed: tuple[int, ...] = (0,)) -> Resampled:
    """Draw `count` resamples of judged rows and measure each: F1 of both kinds, precision, recall, FPR, AUC, AUPRC."""
    kind, unit = _units(judged)
    size = int(unit.max()) + 1 if len(unit) else 0
    classes = {int(label) for label in np.unique(judged.labels)}
    pieces = [_measured(judged, unit, drawn) for drawn in _draws(_strata(judged, unit, size), len(judged), count, seed)]
    shown = {0: ("fpr",), 1: ("recall",)}
    names = pieces[0] if classes == {0, 1} else [name for label in classes for name in shown[label]]
    values = {name: np.concatenate([piece[name] for piece in pieces]) for name in names}
    return Resampled(kind, size, values)


def _units(judged: Judged) -> tuple[Unit, Index]:
    """Choose what is drawn, and return the number of each row's unit."""
    policies, unit = np.unique(judged.policies, return_inverse=True)
    if len(policies) >= MANY_POLICIES:
        return "policy", unit
    names, unit = np.unique(judged.groups, return_inverse=True)
    alone = judged.groups == ""
    if alone.all():
        return "row", np.arange(len(judged))
    unit[alone] = len(names) + np.arange(int(alone.sum()))
    return "group", np.unique(unit, return_inverse=True)[1]


def _strata(judged: Judged, unit: Index, size: int) -> list[Index]:
    """Return the units with the same classes of rows."""
    has = np.zeros(size, dtype=np.int64)
    np.bitwise_or.at(has, unit, judged.labels + 1)
    return [np.flatnonzero(has == classes) for classes in np.unique(has)]


def _draws(strata: list[Index], rows: int, count: int, seed: tuple[int, ...]) -> Iterator[Values]:
    """Yield how often each unit was drawn, [resamples, units], in pieces of bearable size."""
    generator, size = np.random.default_rng(seed), sum(map(len, strata))
    piece = max(1, CELLS // max(rows, 1))
    for start in range(0, count, piece):
        here = min(piece, count - start)
        places = np.arange(here)[:, None] * size
        drawn = [units[generator.integers(0, len(units), (here, len(units)))] + places for units in strata]
        flat = np.concatenate([part.ravel() for part in drawn])
        yield np.bincount(flat, minlength=here * size).reshape(here, size).astype(np.float64)


def _measured(judged: Judged, unit: Index, drawn: Values) -> dict[str, Values]:
    with np.errstate(invalid="ignore", divide="ignore"):
        values = _of_verdicts(judged, unit, drawn)
        return values if judged.scores is None else values | _of_ranks(judged.labels, judged.scores, unit, drawn)


def _of_verdicts(judged: Judged, unit: Index, drawn: Values) -> dict[str, Values]:
    unsafe = judged.labels == 1
    cells = (judged.flagged & unsafe, judged.flagged & ~unsafe, ~judged.flagged & unsafe, ~judged.flagged & ~unsafe)
    per_unit = np.stack([np.bincount(unit, weights=cell, minlength=drawn.shape[1]) for cell in cells], axis=1)
    hit, false, missed, passed = (drawn @ per_unit).T
    f1 = _share(2 * hit, 2 * hit + false + missed)
    return {
        "f1": f1,
        "macro_f1": (f1 + _share(2 * passed, 2 * passed + false + missed)) / 2,
        "precision": _share(hit, hit + false),
        "recall": hit / (hit + missed),
        "fpr": false / (false + passed),
    }


def _of_ranks(labels: NDArray[np.int64], scores: Values, unit: Index, drawn: Values) -> dict[str, Values]:
    """Return AUC and average precision of weighted rows, ties as in `metrics`."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.flatnonzero(last_of_tie(ranked))
    weights = drawn[:, unit[order]]
    seen = np.cumsum(weights, axis=1)[:, ends]
    hits = np.cumsum(weights * (labels[order] == 1), axis=1)[:, ends]
    gained = np.diff(hits, prepend=0.0, axis=1)
    passed = np.diff(seen - hits, prepend=0.0, axis=1)
    unsafe, safe = hits[:, -1], (seen - hits)[:, -1]
    return {
        "auc": (passed * (hits - gained / 2)).sum(axis=1) / (unsafe * safe),
        "auprc": (gained * _share(hits, seen)).sum(axis=1) / unsafe,
    }


def _share(part: Values, whole: Values) -> Values:
    return np.where(whole > 0, part / np.maximum(whole, 1.0), 0.0)
