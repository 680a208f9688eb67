"""The space of a search: the simplex of weights, and dimensions of which one value is chosen each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unigurd_trainer.merge.soup import seed_weights
from unigurd_trainer.search.point import Point, Value

__all__ = ["INSTRUCTION", "MERGE_TYPE", "METHOD", "Space"]

METHOD, MERGE_TYPE, INSTRUCTION = "method", "merge_type", "instruction"
"""Dimensions that every point has; an option of a method is the dimension ``METHOD.OPTION``."""

FIRST_TYPE = "no_classifier"
"""The merge type of the first iteration (SPEC, section 7)."""


@dataclass(frozen=True, slots=True)
class Space:
    """Where a search looks.

    Attributes:
        f1s: Validation F1 [K] of the candidates alone.
        dimensions: The values of each dimension, at least one; options of a method apply where it is chosen.
        temperature: Of the weights of the first iteration (see `seed_weights`).
    """

    f1s: tuple[float, ...]
    dimensions: Mapping[str, tuple[Value, ...]]
    temperature: float | None = None

    @property
    def size(self) -> int:
        """Number of candidates."""
        return len(self.f1s)

    @property
    def seed(self) -> list[float]:
        """Weights [K] of the first iteration: proportional to F1, or equal where all F1 are zero."""
        return seed_weights(self.f1s, self.temperature) if any(self.f1s) else [1 / self.size] * self.size

    def first(self) -> Point:
        """The point of the first iteration: seed weights, all but the classifier, else the first value of each."""
        choices = {name: values[0] for name, values in self.dimensions.items()}
        if FIRST_TYPE in self.dimensions.get(MERGE_TYPE, ()):
            choices[MERGE_TYPE] = FIRST_TYPE
        return self.point(self.seed, choices)

    def point(self, weights: Sequence[float], choices: Mapping[str, Value]) -> Point:
        """Make a point of a choice in every dimension; those that do not apply are left out."""
        return Point.of(weights, {name: value for name, value in choices.items() if _applies(name, choices)})

    def arms(self) -> dict[str, tuple[Value, ...]]:
        """The dimensions in which there is a choice."""
        return {name: values for name, values in self.dimensions.items() if len(values) > 1}


def _applies(name: str, choices: Mapping[str, Value]) -> bool:
    method, dot, _ = name.partition(".")
    return not dot or choices.get(METHOD) == method
