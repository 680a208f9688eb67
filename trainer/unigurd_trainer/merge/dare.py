"""DARE: drop differences at random and rescale the rest (Yu et al., https://arxiv.org/abs/2311.03099; section 3.4)."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from unigurd_trainer.merge.method import Site
from unigurd_trainer.merge.ties import Deltas, Electing
from unigurd_trainer.merge.vectors import BLOCK, weighted_sum

__all__ = ["Combination", "Dare", "drop_and_rescale", "keep_mask"]

Combination = Literal["linear", "sum", "ties"]
Mask = NDArray[np.uint8]
"""One bit a value, 1 where it stays."""

_WORDS = 1 << 32


def keep_mask(size: int, drop: float, seed: int, model: str, name: str) -> Mask:
    """Draw which of `size` values stay, each with probability 1 - drop; returns [ceil(size / 8)].

    The draws depend on seed, model and tensor name alone. They are raw words of PCG64, a stream that numpy never
    changes.
    """
    digest = hashlib.sha256(f"{seed}\n{model}\n{name}".encode()).digest()
    generator = np.random.PCG64(int.from_bytes(digest[:16], "little"))
    least = round(drop * _WORDS)
    drawn = [np.packbits(_words(generator) >= least) for _ in range(0, size, BLOCK)]
    return np.concatenate([np.empty(0, np.uint8), *drawn])[: -(-size // 8)]


def drop_and_rescale(vector: Iterable[Tensor], mask: Mask, drop: float) -> Iterator[Tensor]:
    """Multiply a vector by its mask and divide it by 1 - drop, which keeps its expected value; block by block."""
    for number, block in enumerate(vector):
        bits = np.unpackbits(mask[number * BLOCK // 8 :][: -(-len(block) // 8)], count=len(block))
        yield torch.from_numpy(bits).to(block.dtype).mul_(block).div_(1.0 - drop)


class Dare(Electing):
    """DARE.

    `combination` says what becomes of the differences: their weighted sum (``linear``), their plain sum (``sum``, the
    paper's formula), or TIES without a trim (``ties``, with the options `elect`, `zeros` and `mean` of TIES).
    """

    name: ClassVar[str] = "dare"

    drop: float = Field(default=0.5, ge=0, lt=1, description="probability that a value is dropped")
    seed: int = 0
    combination: Combination = "linear"

    @property
    def preparation(self) -> Hashable:
        """What is dropped does not depend on what becomes of the rest."""
        return self.name, self.drop, self.seed

    def prepare(self, site: Site, survey: Any) -> list[Mask]:  # noqa: ANN401
        """Draw a mask for each model."""
        return [keep_mask(site.size, self.drop, self.seed, model, site.name) for model in site.ids]

    def combine(self, site: Site, prepared: Sequence[Mask], weights: Sequence[float]) -> Iterator[Tensor]:
        """Yield the combination of what was not dropped."""
        if self.combination == "ties":
            return self.consensus(partial(self._kept, site, prepared), weights, site.size)
        shares = weights if self.combination == "linear" else [1.0] * len(weights)
        factors = [self.scale * share for share in shares]
        return (weighted_sum(parts, factors) for parts in self._kept(site, prepared))

    def _kept(self, site: Site, masks: Sequence[Mask]) -> Deltas:
        kept = (drop_and_rescale(site.delta(index), mask, self.drop) for index, mask in enumerate(masks))
        return zip(*kept, strict=True)


def _words(generator: np.random.PCG64) -> NDArray[np.uint32]:
    """Draw a block of 32-bit words."""
    return generator.random_raw(BLOCK // 2).astype("<u8", copy=False).view("<u4")
