"""TIES: trim, elect signs, merge what agrees (Yadav et al., https://arxiv.org/abs/2306.01708; paper, section 3.4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import partial
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from unigurd_trainer.merge.magnitude import Cut, find_cuts, trim
from unigurd_trainer.merge.method import MergeMethod, Site, Sites
from unigurd_trainer.merge.vectors import BLOCK, blocks

__all__ = ["Electing", "Election", "Mean", "Scope", "Ties", "Zeros", "disjoint_mean", "elect_signs"]

Election = Literal["weighted-mass", "mass", "vote"]
Zeros = Literal["majority", "minority", "plus"]
Mean = Literal["weighted", "plain", "sum"]
Scope = Literal["tensor", "global"]

Deltas = Iterable[Sequence[Tensor]]
"""Trimmed differences of K models, by blocks side by side; who takes them may overwrite them."""

_TINY = 1e-30

Survey = Sequence[dict[str, Cut]]


def elect_signs(
    deltas: Deltas, weights: Sequence[float], size: int, elect: Election = "weighted-mass", zeros: Zeros = "majority"
) -> Tensor:
    """Elect a sign for each of `size` values; returns -1, 0 and 1 as int8 [n].

    Args:
        deltas: The trimmed differences.
        weights: Of the models [K].
        size: Values of the vector.
        elect: `weighted-mass` takes the sign of sum_i w_i delta_i, `mass` that of sum_i delta_i, `vote` that of
            sum_i sign(delta_i).
        zeros: What stands where that sum is 0: the sign of the sum of all elected signs of the vector, its opposite, or
            plus.
    """
    signs = torch.empty(size, dtype=torch.int8)
    total = 0
    for part, block in zip(torch.split(signs, BLOCK), deltas, strict=True):
        elected = _elected(block, weights, elect)
        total += int(elected.sum())
        part.copy_(elected)
    fill = 1 if zeros == "plus" else (total > 0) - (total < 0)
    for part in torch.split(signs, BLOCK) if fill else ():
        part.add_(part.abs().sub_(1).mul_(fill if zeros == "minority" else -fill))
    return signs


def _elected(block: Sequence[Tensor], weights: Sequence[float], elect: Election) -> Tensor:
    total = torch.zeros_like(block[0])
    for delta, weight in zip(block, weights, strict=True):
        total.add_(delta.sign_() if elect == "vote" else delta.mul_(weight) if elect == "weighted-mass" else delta)
    return total.sign_()


def disjoint_mean(deltas: Deltas, signs: Tensor, weights: Sequence[float], *, divide: bool = True) -> Iterator[Tensor]:
    """Average over the models that agree with the sign, by their weights; 0 where none does. Yields blocks.

    Without `divide` it is the sum of what agrees, times the weights.
    """
    for sign, block in zip(blocks(signs), deltas, strict=True):
        total, share = torch.zeros_like(sign), torch.zeros_like(sign)
        for delta, weight in zip(block, weights, strict=True):
            agreeing = delta.mul_(sign).clamp_(min=0.0)  # |delta| where the signs agree, else 0
            total.add_(agreeing * weight)
            share.add_(agreeing.sign_().mul_(weight))
        yield (total.div_(share.clamp_(min=_TINY)) if divide else total).mul_(sign)


class Electing(MergeMethod):
    """What methods have in common that merge by elected signs: the election, the mean of what agrees, the scale."""

    needs_base: ClassVar[bool] = True

    scale: float = Field(default=1.0, allow_inf_nan=False, description="lambda")
    elect: Election = "weighted-mass"
    zeros: Zeros = "majority"
    mean: Mean = "weighted"

    def consensus(self, deltas: Callable[[], Deltas], weights: Sequence[float], size: int) -> Iterator[Tensor]:
        """Elect signs, average what agrees, and scale it; `deltas` gives the differences anew each time."""
        signs = elect_signs(deltas(), weights, size, self.elect, self.zeros)
        shares = [1.0] * len(weights) if self.mean == "plain" else weights
        for merged in disjoint_mean(deltas(), signs, shares, divide=self.mean != "sum"):
            yield merged.mul_(self.scale)


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

    def survey(self, sites: Sites) -> Survey:
        """Find the cuts of each model as a whole: by model, then by tensor."""
        names = [site.name for site in sites()]
        models = range(len(next(iter(sites())).tensors))
        return [dict(zip(names, self._cuts(sites, index), strict=True)) for index in models]

    def prepare(self, site: Site, survey: Survey | None) -> list[Cut]:
        """Say where each model is cut."""
        if survey is not None:
            return [cuts[site.name] for cuts in survey]
        return [self._cuts(lambda: (site,), index)[0] for index in range(len(site.tensors))]

    def combine(self, site: Site, prepared: Sequence[Cut], weights: Sequence[float]) -> Iterator[Tensor]:
        """Yield the consensus of the trimmed differences."""
        return self.consensus(partial(_trimmed, site, prepared), weights, site.size)

    def _cuts(self, sites: Sites, index: int) -> list[Cut]:
        """Find where a model is cut whose tensors are trimmed together."""
        keep = max(1, math.floor(self.density * sum(site.size for site in sites())))
        return find_cuts(lambda: (site.delta(index) for site in sites()), keep)


def _trimmed(site: Site, cuts: Sequence[Cut]) -> Deltas:
    return zip(*(trim(site.delta(index), cut) for index, cut in enumerate(cuts)), strict=True)
