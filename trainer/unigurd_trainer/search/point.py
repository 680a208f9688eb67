"""A point of the search: what one trial merges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unigurd_trainer.errors import TrainerError
from unigurd_trainer.merge.model import shares

__all__ = ["THOUSAND", "Point", "Value", "rounded"]

Value = str | int | float

THOUSAND = 1000
"""Weights are thousandths, so that a point that was tried is known again."""


@dataclass(frozen=True, slots=True)
class Point:
    """Weights [K] in thousandths that sum to 1, and for each dimension that applies the value chosen, by name."""

    weights: tuple[float, ...]
    choices: tuple[tuple[str, Value], ...]

    @classmethod
    def of(cls, weights: Sequence[float], choices: Mapping[str, Value]) -> Point:
        """Round weights and order the choices by name; bad weights raise `TrainerError`."""
        return cls(rounded(weights), tuple(sorted(choices.items())))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Point:
        """Undo `to_dict`."""
        return cls.of(values["weights"], values["choices"])

    def to_dict(self) -> dict[str, Any]:
        """The point as JSON has it."""
        return {"weights": list(self.weights), "choices": dict(self.choices)}

    def __getitem__(self, name: str) -> Value:
        """The value chosen in a dimension; KeyError where it does not apply."""
        return dict(self.choices)[name]

    def options(self, method: str) -> dict[str, Value]:
        """Options of a method that were chosen."""
        prefix = f"{method}."
        return {name.removeprefix(prefix): value for name, value in self.choices if name.startswith(prefix)}


def rounded(weights: Sequence[float]) -> tuple[float, ...]:
    """Scale weights [K] to a sum of 1 and round them to thousandths, the largest remainders up; ties by index."""
    if not weights:
        raise TrainerError("A point needs a weight for each candidate.")
    exact = [THOUSAND * share for share in shares(weights, len(weights))]
    whole = [int(each + 1e-9) for each in exact]
    order = sorted(range(len(exact)), key=lambda index: (whole[index] - exact[index], index))
    for index in order[: THOUSAND - sum(whole)]:
        whole[index] += 1
    return tuple(each / THOUSAND for each in whole)
