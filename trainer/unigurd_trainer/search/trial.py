"""A trial: a point, what it measured, and how the search stood afterwards; a line of the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from unigurd_trainer.search.outcome import Outcome
from unigurd_trainer.search.point import Point

__all__ = ["TRIAL", "Trial"]

TRIAL = "trial"
"""Kind of its record in the journal."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One iteration.

    Attributes:
        number: From 1.
        point: What was merged.
        outcome: What it measured; no time, if the point was known.
        estimate: Its F1; of a trial that was given up: the best F1 so far, less what it was behind on the first rows.
        cached: Whether the point was known from an earlier trial.
        improved: Whether it beat the best single candidate and all trials before it.
        best: The highest F1 so far, the best single candidate's included.
        posterior: What the sampler had learnt after it.
    """

    number: int
    point: Point
    outcome: Outcome
    estimate: float
    cached: bool
    improved: bool
    best: float
    posterior: Mapping[str, Any]

    @property
    def aborted(self) -> bool:
        """Whether it was given up after the first rows."""
        return self.outcome.f1 is None

    @property
    def first(self) -> float | None:
        """The objective on the first rows, where trials may be given up."""
        return self.outcome.first

    def to_record(self) -> dict[str, Any]:
        """The line of the journal."""
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in ("point", "outcome")}
        return {
            "kind": TRIAL,
            "number": self.number,
            "point": self.point.to_dict(),
            **asdict(self.outcome),
            "aborted": self.aborted,
            **own,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Trial:
        """Read a line of the journal."""
        outcome = Outcome(**{each.name: record[each.name] for each in fields(Outcome)})
        own = {name: record[name] for name in ("number", "estimate", "cached", "improved", "best", "posterior")}
        return cls(point=Point.from_dict(record["point"]), outcome=outcome, **own)
