"""Aggregation: one score out of the windows of a text, which must not grow just because the text is long.

The worst of many windows is high by chance: with n windows, a benign text has n chances to look like a violation. So
the logits of n windows are lowered by `slope` times log(n), and by `most` at most, since otherwise enough padding would
hide anything. One window keeps its score whatever the parameters are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Method", "aggregate", "calibrate"]

Method = Literal["max", "noisy-or", "top-k"]
"""The worst window; the probability that at least one window violates; the mean of the three worst."""

_TOP = 3
_TINY = 1e-12


def calibrate(
    logits: NDArray[np.float64], counts: Sequence[int], slope: float, most: float = np.inf
) -> NDArray[np.float64]:
    """Lower the logits of windows by how many there are.

    Args:
        logits: [W, K] of every window under K policies, divided by the temperature.
        counts: How many of the windows, in order, are of each part: a reading of the text in windows of one size.
        slope: By how much a logit falls with the natural logarithm of the number of windows of its part.
        most: By how much it falls at most.

    Returns:
        [W, K] logits.
    """
    fall = np.minimum(slope * np.log(np.repeat(counts, counts)), most)
    return np.asarray(logits - fall[:, None])


def aggregate(logits: NDArray[np.float64], counts: Sequence[int], method: Method = "max") -> NDArray[np.float64]:
    """Aggregate the windows of every part by `method` and take the worst part: [W, K] logits give [K]."""
    parts = np.split(logits, np.cumsum(counts)[:-1])
    return np.asarray(np.max([_METHODS[method](part) for part in parts], axis=0))


def _worst(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(logits.max(axis=0))


def _any(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logit of 1 - prod(1 - p): with s = sum log(1 + e^x), that is log(e^s - 1)."""
    total = np.logaddexp(0.0, logits).sum(axis=0)
    return np.asarray(total + np.log(-np.expm1(-np.maximum(total, _TINY))))


def _top(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sort(logits, axis=0)[-_TOP:].mean(axis=0))


_METHODS = {"max": _worst, "noisy-or": _any, "top-k": _top}
