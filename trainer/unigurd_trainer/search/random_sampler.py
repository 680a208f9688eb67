"""Random search (paper, section 3.4; SPEC 7.1): the baseline that every other sampler has to beat."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from unigurd_trainer.search.point import Point
from unigurd_trainer.search.sampler import Sampler, SamplerOptions

__all__ = ["RandomOptions", "RandomSampler"]


class RandomOptions(SamplerOptions):
    """Options: alpha < 1 draws weights that are nearly all on few candidates."""

    alpha: float = Field(default=1.0, gt=0, description="of the Dirichlet distribution of the weights")


class RandomSampler(Sampler):
    """Weights from the Dirichlet distribution, everything else uniform."""

    name: ClassVar[str] = "random"
    Options: ClassVar[type[SamplerOptions]] = RandomOptions

    options: RandomOptions

    def propose(self) -> Point:
        """Draw a point."""
        return self.random_point(self.options.alpha)
