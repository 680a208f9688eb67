"""What a trial measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial measured.

    Attributes:
        f1: The objective on the search split; None of a trial that was given up.
        policies: F1 by group; on the first rows only, of a trial that was given up.
        first: The objective on the first rows, where these are scored first.
        thresholds: Of each group, in logits.
        merge_seconds, evaluation_seconds: What it took.
    """

    f1: float | None
    policies: Mapping[str, float]
    first: float | None = None
    thresholds: Sequence[float] = ()
    merge_seconds: float = 0.0
    evaluation_seconds: float = 0.0

    def reused(self) -> Outcome:
        """The same for another trial of the point, which takes no time."""
        return replace(self, merge_seconds=0.0, evaluation_seconds=0.0)
