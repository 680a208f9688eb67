"""Choosing: which of the matched texts stand for which line of a policy, and which for none of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unigurd_trainer.rows import Example
from unigurd_trainer.sdg.matching import Matches
from unigurd_trainer.sdg.shelves import Shelf
from unigurd_trainer.sdg.targets import Target, Targets

__all__ = ["Choice", "choose_listed", "choose_siblings"]

MARGIN = 0.05
"""By how much a text is nearer to its own side of the policy than to the other."""

SAME = 0.9
"""Cosine from which two texts say the same; that of the semantic tier of de-duplication."""

GAP, DEPTH = 0.08, 0.35
"""A sibling is this much less near than the least near text that was chosen, and at most this much again."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A text for a policy, with its label.

    Attributes:
        target: The line that it stands for; None if it is about none of them.
        nearness: To that line, or to the nearest one.
        kind: ``listed``, ``sibling``, ``off topic``, ``example`` or ``frame``.
        rationale: Why it has its label, where its author said so.
        confidence: How much the label is to be trusted, in [0, 1].
        again: Whether this is a second sample of the text, to be written in another form.
        shelf: The shelf that it was found on; empty if on none.
    """

    text: Example
    label: int
    target: Target | None
    nearness: float
    kind: str
    rationale: str = ""
    confidence: float = 0.5
    again: bool = False
    shelf: str = ""


def choose_listed(
    targets: Targets, matches: Matches, shelves: Sequence[Shelf], floor: float
) -> dict[Target, list[Choice]]:
    """Return the texts of each line that are near enough, nearest first; a text stands for one line only.

    A text must be nearer to its side of the policy than to the other one, and all texts of one meaning are on the
    same side. Of texts that say nearly the same, the nearest is taken.
    """
    labels = np.array([target.label for target in targets.lines])
    sides = _sides(labels, matches, shelves)
    best = matches.near.argmax(axis=1)
    chosen: dict[Target, list[Choice]] = {target: [] for target in targets.lines}
    taken: dict[Target, list[int]] = {target: [] for target in targets.lines}
    for row in np.argsort(-matches.near.max(axis=1), kind="stable"):
        target, nearness = targets.lines[best[row]], float(matches.near[row, best[row]])
        if nearness < floor:
            break
        rivals = matches.near[row, labels != target.label]
        apart = not len(rivals) or nearness >= rivals.max() + MARGIN
        fits = apart and sides[matches.shelves[row]] == target.label and matches.texts[row].role == "user"
        if fits and not _repeats(matches.vectors, row, taken[target]):
            taken[target].append(int(row))
            shelf = shelves[matches.shelves[row]].name
            chosen[target].append(Choice(matches.texts[row], target.label, target, nearness, "listed", shelf=shelf))
    return chosen


def _repeats(vectors: NDArray[np.float32], row: int, taken: Sequence[int]) -> bool:
    return bool(taken) and float((vectors[list(taken)] @ vectors[row]).max()) >= SAME


def choose_siblings(
    targets: Targets, matches: Matches, shelves: Sequence[Shelf], chosen: Sequence[Choice], rng: random.Random
) -> list[Choice]:
    """Return texts near the closed side of a policy that are clearly not about it, in random order.

    None of them shares a meaning with a chosen text of that side.
    """
    label = targets.unlisted
    closed = [at for at, target in enumerate(targets.lines) if label is not None and target.label != label]
    near = [choice.nearness for choice in chosen if choice.label != label]
    if label is None or not closed or not near:
        return []
    used = {choice.text.text for choice in chosen}
    top = min(near) - GAP
    sides = _sides(np.array([target.label for target in targets.lines]), matches, shelves)
    nearness = matches.near.max(axis=1)
    found = [
        Choice(matches.texts[row], label, None, float(nearness[row]), "sibling")
        for row in np.flatnonzero((nearness < top) & (nearness > top - DEPTH))
        if sides[matches.shelves[row]] == label or matches.shelf_near[matches.shelves[row], closed].max() < top
    ]
    found = [choice for choice in found if choice.text.text not in used and choice.text.role == "user"]
    rng.shuffle(found)
    return found


def _sides(labels: NDArray[np.int64], matches: Matches, shelves: Sequence[Shelf]) -> NDArray[np.int64]:
    """Return [S] the label that all texts of a shelf have, from whichever shelf of its meaning is nearest."""
    nearest: dict[str, tuple[float, int]] = {}
    for shelf, cosines in zip(shelves, matches.shelf_near, strict=True):
        at = int(cosines.argmax())
        for group in shelf.groups:
            nearest[group] = max(nearest.get(group, (-1.0, 0)), (float(cosines[at]), int(labels[at])))
    sides = [max((nearest[group] for group in shelf.groups), default=(0.0, 0))[1] for shelf in shelves]
    return np.array(sides, dtype=np.int64)
