"""Masking: which tokens of a step are hidden, and what stands in their place.

Of the ordinary tokens of each row a share is chosen, at least one. Of these, 80 % become the mask token, 10 % a random
token and 10 % stay as they are (BERT, https://arxiv.org/abs/1810.04805, section 3.1). Choices come from a generator
that depends on the seed and the step only, so that a resumed run makes the same ones.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Masking", "generator_of", "seed_of"]

HIDDEN, REPLACED = 0.8, 0.1


@dataclass(frozen=True, slots=True)
class Masking:
    """How rows are masked: the id of the `mask` token, which ids are ordinary ones [V] (bool), and the `share`."""

    mask: int
    ordinary: Tensor
    share: float = 0.15

    def choose(self, input_ids: Tensor, mask: Tensor, generator: torch.Generator) -> Tensor:
        """Choose tokens of rows [B, T]: true where one is to be found again. Rows without words have none."""
        eligible = self.ordinary[input_ids] & mask.bool()
        wanted = (self.share * eligible.sum(1)).round().long().clamp(min=1)
        order = torch.rand(input_ids.shape, generator=generator).masked_fill(~eligible, 2.0).argsort(1)
        return (order.argsort(1) < wanted[:, None]) & eligible

    def hide(self, input_ids: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
        """Put something else in the place of the chosen tokens."""
        draw = torch.rand(input_ids.shape, generator=generator)
        words = self.ordinary.nonzero().squeeze(1)
        other = words[torch.randint(len(words), input_ids.shape, generator=generator)]
        hidden = torch.where(chosen & (draw < HIDDEN), self.mask, input_ids)
        return torch.where(chosen & (draw >= HIDDEN) & (draw < HIDDEN + REPLACED), other, hidden)


def seed_of(*parts: object) -> int:
    """A seed (63 bits) that depends on all parts: equal parts give equal seeds, in any process."""
    digest = hashlib.sha256(":".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator_of(*parts: object, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator seeded by all parts."""
    return torch.Generator(device).manual_seed(seed_of(*parts))
