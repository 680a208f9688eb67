"""Aggregation: one score out of the windows of a text, which must not grow just because the text is long.

The worst of many windows is high by chance: with n windows, a benign text has n chances to look like a violation. So
the logit of the text is lowered by `slope` times log(n); a text of one window keeps its score whatever the slope is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Method", "aggregate", "logits_of"]

Method = Literal["max", "noisy-or", "top-k"]
"""The worst window; the probability that at least one window violates; the mean of the three worst."""

_TOP = 3
_TINY = 1e-12


def aggregate(
    logits: NDArray[np.float64], counts: Sequence[int], method: Method = "max", slope: float = 0.0
) -> NDArray[np.float64]:
    """Aggregate the windows of a text.

    Args:
        logits: [W, K] of every window under K policies, divided by the temperature.
        counts: How many of the windows, in order, are of each reading; the first is the text itself.
        method: How the windows of one reading become one logit; the worst reading counts.
        slope: By how much the logit falls with the logarithm of the number of windows of the text itself.

    Returns:
        [K] logits.
    """
    parts = np.split(logits, np.cumsum(counts)[:-1])
    worst: NDArray[np.float64] = np.max([_METHODS[method](part) for part in parts], axis=0)
    return np.asarray(worst - slope * np.log(counts[0]))


def logits_of(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the logits of probabilities; 0 and 1 stay finite."""
    kept = np.clip(scores, _TINY, 1 - _TINY)
    return np.asarray(np.log(kept) - np.log1p(-kept))


def _worst(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(logits.max(axis=0))


def _any(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logit of 1 - prod(1 - p): with s = sum log(1 + e^x), that is log(e^s - 1)."""
    total = np.logaddexp(0.0, logits).sum(axis=0)
    return np.asarray(total + np.log(-np.expm1(-np.maximum(total, _TINY))))


def _top(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sort(logits, axis=0)[-_TOP:].mean(axis=0))


_METHODS = {"max": _worst, "noisy-or": _any, "top-k": _top}
