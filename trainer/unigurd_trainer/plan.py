"""Plan: which behaviours a composed policy lists on which side, before it is put into words."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from unigurd_trainer.bank import Cell, Family
from unigurd_trainer.skeletons import Skeleton

__all__ = ["Plan", "disjoint", "open_count"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A policy before it is put into words; ``closed`` is the side that only listed behaviours belong to."""

    skeleton: Skeleton
    rendering: str
    family: Family
    disallowed: tuple[Cell, ...]
    allowed: tuple[Cell, ...]

    @property
    def listed(self) -> tuple[Cell, ...]:
        """All listed cells in the order of ``Example.matched``."""
        return self.allowed + self.disallowed

    @property
    def closed_label(self) -> int:
        """The label of the closed side: 1 where unlisted texts are allowed or unspecified, else 0."""
        return int(self.skeleton.unlisted != "disallowed")

    @property
    def closed(self) -> tuple[Cell, ...]:
        """The cells of the closed side."""
        return self.disallowed if self.closed_label else self.allowed

    @property
    def open_listed(self) -> tuple[Cell, ...]:
        """The listed cells of the other side."""
        return self.allowed if self.closed_label else self.disallowed


def open_count(rng: random.Random, kind: str, rendering: str, skeleton: Skeleton, long: bool) -> int:
    """Return how many behaviours of the open side to list: for a ban only where it has lists."""
    if kind == "mixed":
        top = 4 if rendering == "lists" else min(4, skeleton.max_items)
        return rng.randint(1, top)
    return rng.randint(0, 4) if kind == "ban" and rendering != "text" else 0


def disjoint(rng: random.Random, cells: Sequence[Cell], count: int, taken: Sequence[Cell] = ()) -> tuple[Cell, ...]:
    """Draw up to ``count`` cells that share no meaning or wording with each other or with those taken."""
    marks = set().union(*(cell.marks for cell in taken))
    drawn: list[Cell] = []
    for cell in rng.sample(cells, min(len(cells), 3 * count + 4)):
        if len(drawn) == count:
            break
        if not cell.marks & marks:
            marks |= cell.marks
            drawn.append(cell)
    return tuple(drawn)
