"""Thompson sampling over weights and types (paper, section 3.4 and Algorithm 1; SPEC 7.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from unigurd_trainer.search.point import Point, Value
from unigurd_trainer.search.sampler import Observation, Sampler, SamplerOptions
from unigurd_trainer.search.space import Space

__all__ = ["Beta", "Credit", "Thompson", "ThompsonOptions", "credits_of", "normalised"]

Credit = Literal["weight", "k_weight", "literal"]

Beta = list[float]
"""The two parameters of a Beta distribution."""


class ThompsonOptions(SamplerOptions):
    """Options.

    `credit` says how one trial's evidence is shared among the weights: ``weight`` by their size, ``k_weight`` K times
    that, ``literal`` a whole one for each, as the paper's words read; then all posteriors stay alike. `choose` takes
    the value of the highest draw, or draws one in proportion (``categorical``). `prior` is how many successes the best
    candidate's weight begins with; the others in proportion to their F1.
    """

    credit: Credit = "weight"
    choose: Literal["argmax", "categorical"] = "argmax"
    prior: float = Field(default=0.0, ge=0)


def normalised(draws: Sequence[float]) -> list[float]:
    """Scale draws [K] of Beta distributions to weights."""
    total = sum(draws)
    return [draw / total for draw in draws] if total > 0 else [1 / len(draws)] * len(draws)


def credits_of(weights: Sequence[float], credit: Credit) -> list[float]:
    """The evidence [K] that one trial is for each weight."""
    if credit == "literal":
        return [1.0] * len(weights)
    factor = len(weights) if credit == "k_weight" else 1
    return [factor * weight for weight in weights]


class Thompson(Sampler):
    """A Beta distribution for each weight and for each value; a success is a trial better than all before."""

    name: ClassVar[str] = "thompson"
    Options: ClassVar[type[SamplerOptions]] = ThompsonOptions

    options: ThompsonOptions

    def __init__(self, space: Space, seed: int, options: SamplerOptions) -> None:
        super().__init__(space, seed, options)
        best = max(space.f1s) or 1.0
        self.weights: list[Beta] = [[1 + self.options.prior * f1 / best, 1.0] for f1 in space.f1s]
        self.values: Mapping[str, list[Beta]] = {
            name: [[1.0, 1.0] for _ in values] for name, values in space.dimensions.items()
        }

    def propose(self) -> Point:
        """Draw from the posteriors."""
        weights = normalised([self.random.beta(a, b) for a, b in self.weights])
        choices = {name: self._choose(name, values) for name, values in self.space.dimensions.items()}
        return self.space.point(weights, choices)

    def tell(self, observation: Observation) -> None:
        """Count a success or a failure, for weights by their credit, for values one."""
        side = 0 if observation.improved else 1
        evidence = credits_of(observation.point.weights, self.options.credit)
        for beta, share in zip(self.weights, evidence, strict=True):
            beta[side] += share
        for name, value in observation.point.choices:
            self.values[name][self.space.dimensions[name].index(value)][side] += 1

    def state(self) -> dict[str, Any]:
        """Parameters (a, b) of each weight, and of each value of the dimensions in which there is a choice."""
        arms = self.space.arms()
        values = {
            name: {str(value): list(beta) for value, beta in zip(arms[name], self.values[name], strict=True)}
            for name in arms
        }
        return {"weights": [list(beta) for beta in self.weights], **values}

    def _choose(self, name: str, values: Sequence[Value]) -> Value:
        draws = [self.random.beta(a, b) for a, b in self.values[name]]
        if self.options.choose == "argmax":
            return values[draws.index(max(draws))]
        return values[int(self.random.choice(len(values), p=normalised(draws)))]
