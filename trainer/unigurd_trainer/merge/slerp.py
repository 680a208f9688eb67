"""SLERP: interpolation along the arc between two vectors (Shoemake 1985; White, https://arxiv.org/abs/1609.04468).

Whatever is interpolated stays a linear combination of the models, whose coefficients depend on their lengths and angles
alone. So each tensor's matrix of dot products is taken once, in float64, and the rest is arithmetic on K numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from unigurd_trainer.merge.method import MergeMethod, Site
from unigurd_trainer.merge.vectors import gram, weighted_sum

__all__ = ["Gate", "Mode", "Slerp"]

Mode = Literal["fold", "multislerp"]
Gate = Literal["below", "above"]
Gram = NDArray[np.float64]

THRESHOLDS = {"below": 0.9995, "above": 0.0}
_SHORT = 1e-8
"""A vector that is shorter has no direction."""


class Slerp(MergeMethod):
    """SLERP of two or more models, tensor by tensor.

    `fold` takes the models by weight (ties by index) and moves on from the interpolation so far towards the next one by
    its share of the weight so far; the outcome depends on that order. `multislerp` points to the weighted mean of the
    unit vectors and has the weighted mean of the lengths (mergekit's tangent step at that mean is zero).

    `gate` says where SLERP gives way to linear interpolation: `below` stays on the arc where ``|cos|`` is at most
    `threshold` (.9995: collinear vectors have no arc), `above` where cos exceeds it (0: the paper's words).
    """

    name: ClassVar[str] = "slerp"

    mode: Mode = "fold"
    gate: Gate = "below"
    threshold: float | None = Field(default=None, ge=-1, le=1, description="None: .9995 below, 0 above")

    @property
    def preparation(self) -> str:
        """Nothing: the dot products are the same for all options."""
        return self.name

    def prepare(self, site: Site, survey: Any) -> Gram:  # noqa: ANN401
        """Take the dot products [K, K]."""
        return gram(site.values(), len(site.tensors))

    def combine(self, site: Site, prepared: Gram, weights: Sequence[float]) -> Iterator[Tensor]:
        """Yield the interpolation."""
        factors = (self._fold if self.mode == "fold" else _directions)(prepared, weights).tolist()
        return (weighted_sum(parts, factors) for parts in site.values())

    def _fold(self, gram: Gram, weights: Sequence[float]) -> NDArray[np.float64]:
        """Coefficients [K] of interpolating models one after the other."""
        units = np.eye(len(weights))
        first, *others = sorted(range(len(weights)), key=lambda index: (-weights[index], index))
        merged: NDArray[np.float64] = units[first]
        weight = weights[first]
        for index in (index for index in others if weights[index] > 0):
            weight += weights[index]
            own, other = self._arc(gram, merged, index, weights[index] / weight)
            merged = own * merged + other * units[index]
        return merged

    def _arc(self, gram: Gram, merged: NDArray[np.float64], index: int, t: float) -> tuple[float, float]:
        """Factors of the combination so far and of the next model, at `t` from the one to the other."""
        lengths = math.sqrt(max(float(merged @ gram @ merged), 0.0)), math.sqrt(gram[index, index])
        if min(lengths) < _SHORT:
            return 1 - t, t
        cosine = max(-1.0, min(1.0, float(merged @ gram[index]) / (lengths[0] * lengths[1])))
        return arc_factors(cosine, t) if self._is_arc(cosine) else (1 - t, t)

    def _is_arc(self, cosine: float) -> bool:
        threshold = THRESHOLDS[self.gate] if self.threshold is None else self.threshold
        return abs(cosine) <= threshold if self.gate == "below" else cosine > threshold


def arc_factors(cosine: float, t: float) -> tuple[float, float]:
    """Factors sin((1-t)O) / sin O and sin(tO) / sin O of two vectors with cos O; linear where sin O vanishes."""
    angle = math.acos(cosine)
    if math.sin(angle) < _SHORT:
        return 1 - t, t
    return math.sin((1 - t) * angle) / math.sin(angle), math.sin(t * angle) / math.sin(angle)


def _directions(gram: Gram, weights: Sequence[float]) -> NDArray[np.float64]:
    """Coefficients [K] of multislerp; the weights themselves where a vector or the mean direction vanishes."""
    shares = np.asarray(weights, dtype=float)
    lengths = np.sqrt(np.diag(gram))
    if lengths.min() < _SHORT:
        return shares
    unit = shares / lengths
    mean = math.sqrt(max(float(unit @ gram @ unit), 0.0))
    return shares if mean < _SHORT else unit * (float(shares @ lengths) / mean)
