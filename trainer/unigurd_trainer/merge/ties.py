"""TIES: trim, elect signs, merge what agrees (Yadav et al., https://arxiv.org/abs/2306.01708; paper, section 3.4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from unigurd_trainer.merge.magnitude import Cut, find_cuts
from unigurd_trainer.merge.method import MergeMethod, Site
from unigurd_trainer.merge.vectors import blocks

__all__ = ["Electing", "Election", "Mean", "Scope", "Ties", "Zeros", "disjoint_mean", "elect_signs", "trim"]

Election = Literal["weighted-mass", "mass", "vote"]
Zeros = Literal["majority", "minority", "plus"]
Mean = Literal["weighted", "plain"]
Scope = Literal["tensor", "global"]

_TINY = 1e-30

Survey = Sequence[dict[str, Cut]]


def trim(delta: Tensor, cut: Cut) -> Tensor:
    """Set to zero what a cut does not keep; returns a new vector [n]."""
    out = torch.empty_like(delta)
    for part, values in blocks(out, delta):
        torch.mul(values, values.abs().ge_(cut.magnitude), out=part)
    if cut.equal > cut.spare and cut.magnitude > 0:
        out[(delta.abs() == cut.magnitude).nonzero().flatten()[cut.spare :]] = 0.0
    return out


def elect_signs(
    deltas: Sequence[Tensor], weights: Sequence[float], elect: Election = "weighted-mass", zeros: Zeros = "majority"
) -> Tensor:
    """Elect a sign for each value of K vectors [n]: -1, 0 or 1 in [n].

    Args:
        deltas: The trimmed differences.
        weights: Of the models [K].
        elect: `weighted-mass` takes the sign of sum_i w_i delta_i, `mass` that of sum_i delta_i, `vote` that of
            sum_i sign(delta_i).
        zeros: What stands where that sum is 0: the sign of the sum of all elected signs of the vector, its opposite, or
            plus.
    """
    signs = torch.zeros_like(deltas[0])
    for part, *parts in blocks(signs, *deltas):
        for values, weight in zip(parts, weights, strict=True):
            part.add_(values.sign() if elect == "vote" else values * weight if elect == "weighted-mass" else values)
        part.sign_()
    fill = 1.0 if zeros == "plus" else float(signs.sum(dtype=torch.float64).sign())
    if fill:
        fill = -fill if zeros == "minority" else fill
        for (part,) in blocks(signs):
            part.add_(part.abs().sub_(1.0).mul_(-fill))
    return signs


def disjoint_mean(deltas: Sequence[Tensor], signs: Tensor, weights: Sequence[float]) -> Tensor:
    """Average over the models that agree with the sign, by their weights; 0 where none does. Returns [n]."""
    out = torch.empty_like(signs)
    for part, sign, *parts in blocks(out, signs, *deltas):
        total, weight_sum = torch.zeros_like(sign), torch.zeros_like(sign)
        for values, weight in zip(parts, weights, strict=True):
            agreeing = torch.mul(values, sign).clamp_(min=0.0)  # |delta| where the signs agree, else 0
            total.add_(agreeing * weight)
            weight_sum.add_(agreeing.sign_().mul_(weight))
        torch.mul(total.div_(weight_sum.clamp_(min=_TINY)), sign, out=part)
    return out


class Electing(MergeMethod):
    """What methods have in common that merge by elected signs: the election, the mean of what agrees, the scale."""

    needs_base: ClassVar[bool] = True

    scale: float = Field(default=1.0, allow_inf_nan=False, description="lambda")
    elect: Election = "weighted-mass"
    zeros: Zeros = "majority"
    mean: Mean = "weighted"

    def consensus(self, deltas: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """Elect signs, average what agrees, and scale it; vectors [n]."""
        signs = elect_signs(deltas, weights, self.elect, self.zeros)
        merged = disjoint_mean(deltas, signs, weights if self.mean == "weighted" else [1.0] * len(weights))
        return merged if self.scale == 1 else merged.mul_(self.scale)


class Ties(Electing):
    """TIES.

    The default elects by weighted mass and trims each tensor, as mergekit does. With `scope` ``global``, which trims
    each model as a whole, `elect` ``mass`` and `mean` ``plain`` it is the authors' code, but that exactly
    floor(density n) values are kept (at least one), not one more.
    """

    name: ClassVar[str] = "ties"

    density: float = Field(default=0.2, gt=0, le=1, description="share of the values that is kept")
    scope: Scope = "tensor"

    @property
    def surveys(self) -> bool:
        """Whether models are trimmed as a whole."""
        return self.scope == "global"

    @property
    def preparation(self) -> Hashable:
        """Trims do not depend on what is done with them."""
        return self.name, self.density, self.scope

    def survey(self, sites: Sequence[Site]) -> Survey:
        """Find the cuts of each model as a whole: by model, then by tensor."""
        names = [site.name for site in sites]
        models = range(len(sites[0].models))
        return [dict(zip(names, self._cuts([partial(site.delta, n) for site in sites]), strict=True)) for n in models]

    def prepare(self, site: Site, survey: Survey | None) -> list[Tensor]:
        """Trim the differences."""
        if survey is not None:
            return [trim(delta, cuts[site.name]) for delta, cuts in zip(site.deltas(), survey, strict=True)]
        return [self._trimmed(delta) for delta in site.deltas()]

    def combine(self, prepared: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """Return the consensus."""
        return self.consensus(prepared, weights)

    def _trimmed(self, delta: Tensor) -> Tensor:
        return trim(delta, *self._cuts([lambda: delta]))

    def _cuts(self, vectors: Sequence[Callable[[], Tensor]]) -> list[Cut]:
        """Find the cuts of vectors that are trimmed together, each read when it is asked for."""
        keep = max(1, math.floor(self.density * sum(len(read()) for read in vectors)))
        return find_cuts(lambda: (read() for read in vectors), keep)
