"""Means with intervals over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

__all__ = ["Mean", "mean_of"]

_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Two-sided 95 % quantiles of Student's t for 1 to 10 degrees of freedom."""
_NORMAL95 = 1.96


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean of `count` values, and half the width of its 95 % interval; NaN for one value."""

    value: float
    half: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.3f}" if math.isnan(self.half) else f"{self.value:.3f} ± {self.half:.3f}"


def mean_of(values: Sequence[float]) -> Mean:
    """Mean with Student's interval, which takes the values for independent and normal."""
    count = len(values)
    if count < 2:
        return Mean(fmean(values), math.nan, count)
    quantile = _T95[count - 2] if count - 2 < len(_T95) else _NORMAL95
    return Mean(fmean(values), quantile * stdev(values) / math.sqrt(count), count)
