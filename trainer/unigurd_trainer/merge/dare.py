"""DARE: drop differences at random and rescale the rest (Yu et al., https://arxiv.org/abs/2311.03099; section 3.4)."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from unigurd_trainer.merge.method import Site
from unigurd_trainer.merge.ties import Electing
from unigurd_trainer.merge.vectors import BLOCK, blocks, weighted_sum

__all__ = ["Combination", "Dare", "drop_and_rescale", "keep_mask"]

Combination = Literal["linear", "sum", "ties"]

_WORDS = 1 << 32


def keep_mask(size: int, drop: float, seed: int, model: str, name: str) -> Iterator[Tensor]:
    """Draw which of `size` values stay, each with probability 1 - drop: blocks of ones and zeros, float32.

    The draws depend on seed, model and tensor name alone, so no mask is ever stored. They are raw words of PCG64, a
    stream that numpy never changes.
    """
    digest = hashlib.sha256(f"{seed}\n{model}\n{name}".encode()).digest()
    generator = np.random.PCG64(int.from_bytes(digest[:16], "little"))
    least = round(drop * _WORDS)
    for start in range(0, max(size, 1), BLOCK):
        words = generator.random_raw(BLOCK // 2).astype("<u8", copy=False).view("<u4")
        yield torch.from_numpy((words[: size - start] >= least).astype(np.float32))


def drop_and_rescale(delta: Tensor, mask: Iterator[Tensor], drop: float) -> Tensor:
    """Multiply a vector [n] by its mask, in place, and divide it by 1 - drop: the expected value stays."""
    for (part,), kept in zip(blocks(delta), mask, strict=True):
        part.mul_(kept).div_(1.0 - drop)
    return delta


class Dare(Electing):
    """DARE.

    `combine` says what becomes of the differences: their weighted sum (`linear`), their plain sum (`sum`, the paper's
    formula), or TIES without a trim (`ties`, with the options `elect`, `zeros` and `mean` of TIES).
    """

    name: ClassVar[str] = "dare"

    drop: float = Field(default=0.5, ge=0, lt=1, description="probability that a value is dropped")
    seed: int = 0
    combination: Combination = "linear"

    @property
    def preparation(self) -> Hashable:
        """What is left of the differences does not depend on what is done with it."""
        return self.name, self.drop, self.seed

    def prepare(self, site: Site, survey: Any) -> list[Tensor]:  # noqa: ANN401
        """Drop and rescale."""
        return [
            drop_and_rescale(delta, keep_mask(len(delta), self.drop, self.seed, model, site.name), self.drop)
            for delta, model in zip(site.deltas(), site.ids, strict=True)
        ]

    def combine(self, prepared: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """Return lambda times the combination."""
        if self.combination == "ties":
            return self.consensus(prepared, weights)
        factors = weights if self.combination == "linear" else [1.0] * len(weights)
        return weighted_sum(prepared, [self.scale * factor for factor in factors])
