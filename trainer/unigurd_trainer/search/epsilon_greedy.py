"""Epsilon-greedy search (paper, section 3.4; SPEC 7.2)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from unigurd_trainer.search.point import Point
from unigurd_trainer.search.sampler import Observation, Sampler, SamplerOptions

__all__ = ["EpsilonGreedy", "EpsilonOptions"]

FLOOR = 0.05
"""Added to each parameter of the local Dirichlet distribution, so that no candidate is lost for good."""


class EpsilonOptions(SamplerOptions):
    """Options.

    Exploitation is ``local``: weights near the best ones; or ``literal``: the best point itself, which costs nothing
    but an iteration, because it is known.
    """

    epsilon: float = Field(default=0.3, ge=0, le=1, description="share of random points")
    concentration: float = Field(default=50.0, gt=0, description="how near local points are to the best one")
    exploit: Literal["local", "literal"] = "local"


class EpsilonGreedy(Sampler):
    """A random point with probability epsilon, else one at, or near, the best point so far."""

    name: ClassVar[str] = "epsilon-greedy"
    Options: ClassVar[type[SamplerOptions]] = EpsilonOptions

    options: EpsilonOptions
    _best: Observation | None = None

    def propose(self) -> Point:
        """Explore or exploit."""
        if self._best is None or self.random.random() < self.options.epsilon:
            return self.random_point()
        best = self._best.point
        if self.options.exploit == "literal":
            return best
        near = [self.options.concentration * weight + FLOOR for weight in best.weights]
        return self.space.point(self.random.dirichlet(near).tolist(), dict(best.choices))

    def tell(self, observation: Observation) -> None:
        """Remember the best point; the first one of equal ones."""
        if self._best is None or observation.f1 > self._best.f1:
            self._best = observation

    def state(self) -> dict[str, Any]:
        """The best point so far."""
        return {} if self._best is None else {"best": self._best.point.to_dict(), "f1": self._best.f1}
