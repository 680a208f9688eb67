"""Measures of a binary guard; 1 is a violation ("unsafe"), and scores are probabilities of one.

Definitions follow SPEC section 8: F1, precision and recall are those of the unsafe class at a threshold, and 0 where
their denominator is empty although both classes are there. With one class only, what cannot be measured is None
(in `Metrics`) or NaN (from the functions): all safe texts measure the false positive rate, all unsafe ones the recall.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Labels = NDArray[np.int64]
Flags = NDArray[np.bool_]

LOW_FPR = 0.01
"""The false positive rate at which `Metrics.recall_low_fpr` is measured."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """One row of a results table.

    Attributes:
        rows, unsafe: Texts, and how many of them are unsafe.
        f1, precision, recall: Of the unsafe class at the threshold.
        macro_f1: Mean of the F1 of both classes at the threshold.
        fpr: Share of the safe texts that are flagged at the threshold.
        auc: Area under the ROC curve.
        auprc: Average precision: the area under the steps of precision over recall.
        recall_low_fpr: The best recall of any threshold that flags at most 1 % of the safe texts.
        ece: Expected calibration error, 15 bins.
    """

    rows: int
    unsafe: int
    f1: float | None
    macro_f1: float | None
    precision: float | None
    recall: float | None
    fpr: float | None
    auc: float | None
    auprc: float | None
    recall_low_fpr: float | None
    ece: float | None

    def to_dict(self) -> dict[str, float | None]:
        """Plain numbers, rounded to 4 digits."""
        return {key: None if value is None else round(value, 4) for key, value in asdict(self).items()}


def measure(
    labels: Sequence[int] | Labels, scores: Sequence[float] | Scores, threshold: float | Scores = 0.5
) -> Metrics:
    """Compute all measures of scores [N] against labels [N] at a threshold, or at one for each row [N]."""
    score = np.asarray(scores, dtype=np.float64)
    return measure_verdicts(np.asarray(labels, dtype=np.int64), score >= threshold, score)


def measure_verdicts(labels: Labels, flagged: Flags, scores: Scores | None = None) -> Metrics:
    """Compute all measures of verdicts [N] against labels [N]; what takes scores [N] is None without them."""
    unsafe = int((labels == 1).sum())
    both = 0 < unsafe < len(labels)
    hits = int((flagged & (labels == 1)).sum())
    ranks = scores if both else None
    return Metrics(
        rows=len(labels),
        unsafe=unsafe,
        f1=f1(labels, flagged) if both else None,
        macro_f1=(f1(labels, flagged) + f1(1 - labels, ~flagged)) / 2 if both else None,
        precision=_share(hits, int(flagged.sum())) if both else None,
        recall=hits / unsafe if unsafe else None,
        fpr=float(flagged[labels == 0].mean()) if unsafe < len(labels) else None,
        auc=None if ranks is None else auc(labels, ranks),
        auprc=None if ranks is None else average_precision(labels, ranks),
        recall_low_fpr=None if ranks is None else recall_at_fpr(labels, ranks),
        ece=None if ranks is None else calibration_error(labels, ranks),
    )


def f1(labels: Labels, flagged: Flags) -> float:
    """F1 of class 1: 2 TP / (2 TP + FP + FN), 0 if there is neither a member nor a flag."""
    hits = int((flagged & (labels == 1)).sum())
    return _share(2 * hits, int(flagged.sum()) + int((labels == 1).sum()))


def auc(labels: Labels, scores: Scores) -> float:
    """Area under the ROC curve by ranks, ties counted half; NaN when a class is missing."""
    positive, negative = int((labels == 1).sum()), int((labels == 0).sum())
    if not positive or not negative:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[labels == 1].sum() - positive * (positive + 1) / 2) / (positive * negative))


def mean_auc(groups: Iterable[tuple[Labels, Scores]]) -> float:
    """Mean of the groups' AUC (one group per policy); groups with one class do not count."""
    values = [value for labels, scores in groups if not np.isnan(value := auc(labels, scores))]
    return float(np.mean(values)) if values else float("nan")


def average_precision(labels: Labels, scores: Scores) -> float:
    """Sum of precision times gain in recall over the distinct scores, highest first; NaN without an unsafe text."""
    if not (labels == 1).any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last = last_of_tie(scores[order])
    hits = np.cumsum(labels[order] == 1)[last]
    precision = hits / (np.flatnonzero(last) + 1)
    return float((np.diff(hits, prepend=0) * precision).sum() / hits[-1])


def recall_at_fpr(labels: Labels, scores: Scores, most: float = LOW_FPR) -> float:
    """Return the best recall of a threshold that flags at most a share `most` of the safe texts; NaN for one class.

    With N safe texts floor(most * N) of them may be flagged: below 1 / most of them, none.
    """
    safe, unsafe = scores[labels == 0], scores[labels == 1]
    if not len(safe) or not len(unsafe):
        return float("nan")
    return float((unsafe >= threshold_at_fpr(safe, most)).mean())


def threshold_at_fpr(safe: Scores, most: float = LOW_FPR) -> float:
    """Return the lowest threshold that flags at most a share `most` of safe texts with these scores [N >= 1].

    It lies just above the first score that may not be flagged, so that it says nothing about scores in between; where
    all may be flagged, it is minus infinity.
    """
    ranked = np.sort(safe)[::-1]
    allowed = math.floor(most * len(ranked) + 1e-9)
    return float(np.nextafter(ranked[allowed], np.inf)) if allowed < len(ranked) else -math.inf


def calibration_error(labels: Labels, scores: Scores, bins: int = 15) -> float:
    """Expected calibration error: the mean gap between score and frequency over equal-width bins, weighted by size."""
    index = np.clip((scores * bins).astype(int), 0, bins - 1)
    gaps = (abs(labels[index == b].mean() - scores[index == b].mean()) * (index == b).sum() for b in np.unique(index))
    return float(sum(gaps) / max(len(labels), 1))


def nll(labels: Labels, logits: Scores, temperature: float = 1.0) -> float:
    """Mean negative log-likelihood, in nats, of sigmoid(logits / temperature)."""
    signed = np.where(labels == 1, -logits, logits) / temperature
    return float(np.logaddexp(0.0, signed).mean())


def best_threshold(labels: Labels, scores: Scores, most_fpr: float = 1.0, slack: float = 0.0) -> tuple[float, float]:
    """Return the threshold with the best F1 and that F1; at most a share `most_fpr` of the safe texts may be flagged.

    Of the thresholds whose F1 is at most `slack` below the best, it is the middle one: where the optimum is flat, other
    rows would move it least. It lies halfway between neighbouring scores. Where no such threshold flags an unsafe
    text, the answer is (1, 0).
    """
    order = np.argsort(-scores, kind="stable")
    ranked, truth = scores[order], labels[order]
    hits, seen = np.cumsum(truth), np.arange(1, len(truth) + 1)
    safe = max(len(truth) - int(truth.sum()), 1)
    possible = last_of_tie(ranked) & ((seen - hits) / safe <= most_fpr)
    values = np.where(possible, 2 * hits / (seen + max(int(truth.sum()), 1)), 0.0)
    if not values.any():
        return 1.0, 0.0
    good = np.flatnonzero(values >= values.max() - slack)
    best = int(good[len(good) // 2 if slack else 0])
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2), float(values[best])


def last_of_tie(ranked: Scores) -> Flags:
    """Say of sorted scores [N] which are the last of their value: the places where a threshold may lie."""
    return np.append(ranked[:-1] != ranked[1:], True)[: len(ranked)]


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0
