"""The objective: F1 of the unsafe class for each policy, and its mean, at thresholds that are fixed or chosen."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from unigurd_trainer.metrics import Labels, Scores, best_threshold, f1
from unigurd_trainer.search.panel import Panel
from unigurd_trainer.search.recipe import ThresholdRule

__all__ = ["choose_thresholds", "f1s_of", "logit", "mean_f1"]

_TRIED = 256
"""Thresholds that are tried for all policies together."""

_LEAST_OF_CLASS = 10
"""Rows of each class below which a policy gets no threshold of its own."""


def logit(probability: float) -> float:
    """The logit of a probability."""
    return float(np.log(probability) - np.log1p(-probability))


def f1s_of(panel: Panel, logits: Scores, thresholds: Sequence[float]) -> dict[str, float]:
    """F1 of each group of a panel; `logits` [N] that reach the group's threshold [groups] are flagged."""
    flagged = logits >= np.asarray(thresholds)[panel.groups]
    present = np.unique(panel.groups)
    return {panel.names[group]: _f1(panel.labels, flagged, panel.groups == group) for group in present}


def mean_f1(values: dict[str, float]) -> float:
    """Unweighted mean over groups, as the paper's score is over data sets."""
    return fmean(values.values())


def choose_thresholds(panel: Panel, logits: Scores, rule: float | ThresholdRule) -> list[float]:
    """Return the threshold of each group, in logits.

    A number, a probability, is everybody's. ``shared`` is the one of the best mean F1 on this panel, the threshold
    split. ``own`` is the one of the best F1 of each group; groups with few rows take the shared one.
    """
    if not isinstance(rule, str):
        return [logit(rule)] * len(panel.names)
    shared = _shared(panel, logits)
    if rule == "shared":
        return [shared] * len(panel.names)
    return [_own(panel.labels[rows], logits[rows], shared) for rows in _rows_by_group(panel)]


def _rows_by_group(panel: Panel) -> list[NDArray[np.bool_]]:
    return [np.asarray(panel.groups == group) for group in range(len(panel.names))]


def _shared(panel: Panel, logits: Scores) -> float:
    ranked = np.unique(logits)
    between = (ranked[1:] + ranked[:-1]) / 2
    if len(between) > _TRIED:
        between = between[np.linspace(0, len(between) - 1, _TRIED).round().astype(int)]
    tried = [float(each) for each in between] or [0.0]
    means = [mean_f1(f1s_of(panel, logits, [each] * len(panel.names))) for each in tried]
    best = max(means)
    return max(each for each, mean in zip(tried, means, strict=True) if mean == best)


def _own(labels: Labels, logits: Scores, shared: float) -> float:
    unsafe = int((labels == 1).sum())
    if min(unsafe, len(labels) - unsafe) < _LEAST_OF_CLASS:
        return shared
    threshold, best = best_threshold(labels, logits)
    return threshold if best else shared


def _f1(labels: Labels, flagged: NDArray[np.bool_], rows: NDArray[np.bool_]) -> float:
    return f1(labels[rows], flagged[rows])
