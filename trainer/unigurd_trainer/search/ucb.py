"""Upper confidence bounds (paper, section 3.4, of which the formula is lost; SPEC 7.3; UCB1: Auer et al. 2002).

UCB1 is for few arms. Weights become arms by a fixed choice of points on the simplex. The arms of each dimension
(weights, merge type, ...) have bounds of their own: 4 types times 16 weights would take 64 trials to try each once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from unigurd_trainer.search.point import Point
from unigurd_trainer.search.sampler import Observation, Sampler, SamplerOptions
from unigurd_trainer.search.space import Space

__all__ = ["Arms", "Ucb", "UcbOptions", "bounds"]

LEAN = 0.7
"""Weight of the one candidate that a smoothed one-hot point leans on; the others share the rest."""


class UcbOptions(SamplerOptions):
    """Options."""

    c: float = Field(default=1.0, ge=0, description="how much uncertainty is worth")
    atoms: int = Field(default=16, gt=0, description="points of the simplex that are tried")


def bounds(means: Sequence[float], counts: Sequence[int], pulls: int, c: float = 1.0) -> list[float]:
    """Upper confidence bounds: mean + c sqrt(2 ln pulls / count) of each arm; infinite for one never pulled."""
    wide = [math.sqrt(2 * math.log(max(pulls, 1)) / count) if count else math.inf for count in counts]
    return [mean + c * width if math.isfinite(width) else width for mean, width in zip(means, wide, strict=True)]


@dataclass(slots=True)
class Arms:
    """The rewards of each arm of one dimension, and how many pulls of each are still to be rewarded."""

    rewards: list[list[float]]
    pending: list[int]

    @classmethod
    def of(cls, size: int) -> Arms:
        """Arms that were never pulled."""
        return cls([[] for _ in range(size)], [0] * size)

    def reward(self, arm: int, value: float) -> None:
        """Reward a pull."""
        self.pending[arm] -= 1
        self.rewards[arm].append(value)

    def choose(self, low: float, high: float, c: float) -> int:
        """Return the arm of the highest bound, the first of equals; rewards are scaled from [low, high] to [0, 1]."""
        means = [sum(each) / len(each) if each else 0.0 for each in self.rewards]
        span = high - low or 1.0
        scaled = [(mean - low) / span for mean in means]
        counts = [len(each) + waiting for each, waiting in zip(self.rewards, self.pending, strict=True)]
        values = bounds(scaled, counts, sum(counts), c)
        return values.index(max(values))

    def to_dict(self, names: Sequence[Any]) -> dict[str, list[float]]:
        """Mean reward and number of pulls by the arm's name."""
        return {
            str(name): [sum(each) / len(each) if each else 0.0, len(each)]
            for name, each in zip(names, self.rewards, strict=True)
        }


class Ucb(Sampler):
    """UCB1 over a fixed set of weights, and over the values of each other dimension."""

    name: ClassVar[str] = "ucb"
    Options: ClassVar[type[SamplerOptions]] = UcbOptions

    options: UcbOptions

    def __init__(self, space: Space, seed: int, options: SamplerOptions) -> None:
        super().__init__(space, seed, options)
        self.atoms = self._atoms()
        sizes = {name: len(values) for name, values in space.dimensions.items()} | {"weights": len(self.atoms)}
        self._arms = {name: Arms.of(size) for name, size in sizes.items()}
        self._low, self._high = math.inf, -math.inf

    def ask(self) -> Point:
        """Return the next point, and count its arms as pulled: those asked for together are to differ."""
        point = super().ask()
        for name, arm in self._pulled(point):
            self._arms[name].pending[arm] += 1
        return point

    def propose(self) -> Point:
        """Choose the most promising arm of each dimension."""
        chosen = {name: arms.choose(self._low, self._high, self.options.c) for name, arms in self._arms.items()}
        choices = {name: values[chosen[name]] for name, values in self.space.dimensions.items()}
        return self.space.point(self.atoms[chosen["weights"]].weights, choices)

    def tell(self, observation: Observation) -> None:
        """Credit the arms that were pulled."""
        self._low, self._high = min(self._low, observation.f1), max(self._high, observation.f1)
        for name, arm in self._pulled(observation.point):
            self._arms[name].reward(arm, observation.f1)

    def state(self) -> dict[str, Any]:
        """Mean reward and pulls of each arm."""
        names: dict[str, Sequence[Any]] = {"weights": [list(atom.weights) for atom in self.atoms]}
        return {name: arms.to_dict({**self.space.dimensions, **names}[name]) for name, arms in self._arms.items()}

    def _pulled(self, point: Point) -> Iterator[tuple[str, int]]:
        """The arms of a point."""
        yield "weights", [atom.weights for atom in self.atoms].index(point.weights)
        yield from ((name, self.space.dimensions[name].index(value)) for name, value in point.choices)

    def _atoms(self) -> list[Point]:
        """Seed, uniform and smoothed one-hot weights, then random ones; all different."""
        size = self.space.size
        rest = (1 - LEAN) / max(size - 1, 1)
        leaning = [[LEAN if other == index else rest for other in range(size)] for index in range(size)]
        wanted = [Point.of(weights, {}) for weights in (self.space.seed, [1.0] * size, *leaning)]
        atoms = list(dict.fromkeys(wanted))[: self.options.atoms]
        while len(atoms) < self.options.atoms:
            drawn = Point.of(self.random_weights(), {})
            if drawn not in atoms or size == 1:
                atoms.append(drawn)
        return atoms
