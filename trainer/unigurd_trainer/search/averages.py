"""Points that need no search: plain averages, and single candidates as averages of one."""

from __future__ import annotations

from collections.abc import Sequence

from unigurd_trainer.search.point import Point
from unigurd_trainer.search.recipe import SearchRecipe
from unigurd_trainer.search.space import INSTRUCTION, MERGE_TYPE, METHOD

__all__ = ["alone", "average_point"]


def average_point(recipe: SearchRecipe, weights: Sequence[float]) -> Point:
    """The plain weighted average of all parameters."""
    choices = {METHOD: "average", MERGE_TYPE: "all", INSTRUCTION: recipe.instructions[0]}
    return Point.of(weights, choices)


def alone(recipe: SearchRecipe, index: int, count: int) -> Point:
    """Candidate `index` of `count`, alone."""
    return average_point(recipe, [float(other == index) for other in range(count)])
