"""What a sampler is: the contract that built-in samplers and those of plugins keep.

A sampler is asked for points and told what they were worth. All that it does follows from its seed and from what it was
told, in order: asked and told the same again, it stands where it stood. So a search resumes from its journal alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pydantic import ValidationError

from unigurd_trainer.errors import RecipeError
from unigurd_trainer.recipe import Strict
from unigurd_trainer.search.point import Point
from unigurd_trainer.search.space import Space

__all__ = ["Observation", "Sampler", "SamplerOptions", "configured_sampler", "sampler_options"]


class SamplerOptions(Strict):
    """Options of a sampler: none."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a trial showed.

    Attributes:
        point: What was merged.
        f1: Its objective; of a trial that was given up early an estimate.
        improved: Whether it was better than everything before, the best candidate alone included.
    """

    point: Point
    f1: float
    improved: bool


class Sampler(ABC):
    """Proposes points.

    Attributes:
        name: What recipes call it.
        Options: Its options, a pydantic model.
    """

    name: ClassVar[str]
    Options: ClassVar[type[SamplerOptions]] = SamplerOptions

    def __init__(self, space: Space, seed: int, options: SamplerOptions) -> None:
        """Begin at a seed; a subclass gets its own class of options."""
        self.space, self.seed, self.options = space, seed, options
        self.random = np.random.Generator(np.random.PCG64(seed))
        self._asked = 0

    def ask(self) -> Point:
        """Return the point of the next trial; the first one is always the seed of the space."""
        self._asked += 1
        return self.space.first() if self._asked == 1 else self.propose()

    @abstractmethod
    def propose(self) -> Point:
        """Return a point that is worth a try."""

    def tell(self, observation: Observation) -> None:
        """Learn from a trial. Trials are told in the order in which they were asked for."""
        return None

    def state(self) -> dict[str, Any]:
        """What was learnt, as JSON can hold it: for the journal and its plots."""
        return {}

    def random_weights(self, alpha: float = 1.0) -> list[float]:
        """Draw weights [K] from Dirichlet(alpha, ..., alpha)."""
        drawn: list[float] = self.random.dirichlet([alpha] * self.space.size).tolist()
        return drawn

    def random_point(self, alpha: float = 1.0) -> Point:
        """Draw a point: weights from the Dirichlet distribution, everything else uniformly."""
        weights = self.random_weights(alpha)
        dimensions = self.space.dimensions.items()
        choices = {name: values[int(self.random.integers(len(values)))] for name, values in dimensions}
        return self.space.point(weights, choices)


def sampler_options(kind: type[Sampler], options: dict[str, Any]) -> SamplerOptions:
    """Check the options of a sampler; one that is unknown or out of range raises `RecipeError` that names it."""
    try:
        return kind.Options.model_validate(options)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise RecipeError(f"The options of the sampler {kind.name!r} are wrong: {problems}.") from error


def configured_sampler(kind: type[Sampler], space: Space, seed: int, options: dict[str, Any]) -> Sampler:
    """Build a sampler; raises as `sampler_options` does."""
    return kind(space, seed, sampler_options(kind, options))
