"""Model soups: weighted averages of models (paper, section 3.4; Wortsman et al., https://arxiv.org/abs/2203.05482)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from torch import Tensor

from unigurd_trainer.errors import TrainerError
from unigurd_trainer.merge.method import MergeMethod, Site
from unigurd_trainer.merge.vectors import weighted_sum

__all__ = ["Average", "greedy_members", "seed_weights"]


class Average(MergeMethod):
    """The weighted average."""

    name: ClassVar[str] = "average"

    def combine(self, site: Site, prepared: None, weights: Sequence[float]) -> Iterator[Tensor]:
        """Yield sum_i w_i theta_i."""
        return (weighted_sum(parts, weights) for parts in site.values())


def seed_weights(f1s: Sequence[float], temperature: float | None = None) -> list[float]:
    """Weights of a search's first iteration: proportional to F1, or with a temperature T softmax(F1 / T).

    Proportional weights are nearly uniform: F1 of .90, .85, .80 give .353, .333, .314.

    Raises:
        TrainerError: An F1 is not in [0, 1], all are zero, or the temperature is not positive.
    """
    _require_f1s(f1s)
    if temperature is None:
        if not sum(f1s) > 0:
            raise TrainerError("All F1 are zero; give weights, or a temperature.")
        return [f1 / sum(f1s) for f1 in f1s]
    if not temperature > 0:
        raise TrainerError(f"The temperature must be positive, not {temperature}.")
    powers = [math.exp((f1 - max(f1s)) / temperature) for f1 in f1s]
    return [power / sum(powers) for power in powers]


def greedy_members(
    f1s: Sequence[float], evaluate: Callable[[Sequence[int]], float], *, strict: bool = False
) -> list[int]:
    """Choose the members of the greedy soup, best F1 first (ties by index).

    Args:
        f1s: Validation F1 [K] of the models alone.
        evaluate: Validation F1 of the average of the models at these indices; called K - 1 times.
        strict: Whether a model has to raise F1 to get in; else it must not lower it.

    Raises:
        TrainerError: There are no F1, or one is not in [0, 1].
    """
    _require_f1s(f1s)
    best, *others = sorted(range(len(f1s)), key=lambda index: (-f1s[index], index))
    members, score = [best], f1s[best]
    for index in others:
        tried = evaluate([*members, index])
        if tried > score or (tried == score and not strict):
            members, score = [*members, index], tried
    return members


def _require_f1s(f1s: Sequence[float]) -> None:
    if not f1s or not all(0 <= f1 <= 1 for f1 in f1s):
        raise TrainerError(f"There must be an F1 in [0, 1] for each model: {list(f1s)}.")
