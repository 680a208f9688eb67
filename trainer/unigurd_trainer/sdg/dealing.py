"""Dealing: the texts of one data set out of all candidates, balanced by label and, within a label, by behaviour."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

from unigurd_sdk.policy import Policy
from unigurd_trainer.rows import Example
from unigurd_trainer.sdg.choosing import Choice
from unigurd_trainer.sdg.coverage import ENOUGH
from unigurd_trainer.sdg.frames import framed
from unigurd_trainer.sdg.samples import LABELS
from unigurd_trainer.sdg.targets import Target, Targets

__all__ = ["Shares", "deal"]

LICENCE = "the policy's own"

SHELF_SHARE = 0.5
"""Greatest share of a behaviour's near texts that one shelf gives, as long as other shelves have any left: a large
intent that is near by its subject only does not crowd out what is asked for."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How the texts of a label are made up.

    Attributes:
        frames: Share of a covered behaviour's texts that are made of its own words.
        siblings, off_topic: Shares of these two kinds, on the side where unlisted texts fall.
    """

    frames: float
    siblings: float
    off_topic: float


def deal(
    policy: Policy, targets: Targets, candidates: Sequence[Choice], shares: Shares, half: int, rng: random.Random
) -> list[Choice]:
    """Return up to `half` texts of each label, as many of one as of the other, in random order."""
    piles = [_Pile.of(policy, targets, candidates, shares, label, rng) for label in range(len(LABELS))]
    size = min(half, *(len(pile.take(half, shares)) for pile in piles))
    dealt = [choice for pile in piles for choice in pile.take(size, shares)]
    rng.shuffle(dealt)
    return dealt


@dataclass(frozen=True, slots=True)
class _Pile:
    """What there is for one label, best first within each kind."""

    examples: tuple[Choice, ...]
    listed: tuple[Choice, ...]
    unlisted: tuple[Choice, ...]

    @classmethod
    def of(
        cls,
        policy: Policy,
        targets: Targets,
        candidates: Sequence[Choice],
        shares: Shares,
        label: int,
        rng: random.Random,
    ) -> _Pile:
        own = [choice for choice in candidates if choice.label == label]
        queues = [_queue(target, own, shares.frames, rng) for target in targets.lines if target.label == label]
        unlisted = tuple(choice for choice in own if choice.kind != "listed")
        return cls(tuple(_examples(policy, label)), tuple(_round_robin(queues)), unlisted)

    def take(self, count: int, shares: Shares) -> list[Choice]:
        """Take up to `count` texts by the shares of their kinds; what one kind lacks the others give."""
        wanted = {"sibling": shares.siblings, "off topic": shares.off_topic}
        unlisted = [*_spread(wanted, self.unlisted, count, bool(self.listed))]
        listed = self.listed[: max(0, count - len(self.examples) - len(unlisted))]
        order = (*self.examples, *unlisted, *listed, *self.unlisted, *self.listed)
        distinct = [*{choice.text.text: choice for choice in order}.values()]
        again = [replace(choice, again=True) for choice in distinct if choice.kind == "listed"]
        return [*distinct, *again][:count]


def _spread(shares: dict[str, float], own: Sequence[Choice], half: int, listed: bool) -> Iterator[Choice]:
    total = 1.0 if listed else sum(shares.values()) or 1.0
    for kind, share in shares.items():
        yield from [choice for choice in own if choice.kind == kind][: round(share / total * half)]


def _mixed(left: Sequence[Choice], right: Sequence[Choice]) -> list[Choice]:
    """Merge two sequences, spread evenly over each other."""
    places = [((at + 0.5) / len(side), choice) for side in (left, right) for at, choice in enumerate(side)]
    return [choice for _, choice in sorted(places, key=lambda place: place[0])]


def _queue(target: Target, own: Sequence[Choice], share: float, rng: random.Random) -> list[Choice]:
    """Return the near texts of a behaviour with a share of frames; all frames where there are few near texts."""
    near = [choice for choice in own if choice.target == target]
    rng.shuffle(near)
    near = _capped(near)
    frames = [
        Choice(Example(text, target.label, "words of the policy", LICENCE), target.label, target, 0.0, "frame")
        for text in framed(target.line)
    ]
    rng.shuffle(frames)
    if len(near) < ENOUGH:
        return [*near, *frames]
    return _mixed(near, frames[: round(share * len(near))])


def _capped(near: Sequence[Choice]) -> list[Choice]:
    """Reorder texts, as little as need be, so that every beginning keeps to the share of a shelf.

    However many are taken from the front, one shelf has given more than its share of them only if the others are empty.
    """
    waiting, taken, order = [*near], Counter[str](), list[Choice]()
    while waiting:
        most = ceil(SHELF_SHARE * (len(order) + 1))
        at = next((at for at, choice in enumerate(waiting) if taken[choice.shelf] < most), 0)
        order.append(waiting.pop(at))
        taken[order[-1].shelf] += 1
    return order


def _round_robin(queues: list[list[Choice]]) -> Iterator[Choice]:
    for turn in range(max(map(len, queues), default=0)):
        yield from (queue[turn] for queue in queues if turn < len(queue))


def _examples(policy: Policy, label: int) -> Iterator[Choice]:
    for example in policy.examples:
        if LABELS.index(example.label) == label:
            text = Example(example.text, label, "examples of the policy", LICENCE)
            yield Choice(text, label, None, 1.0, "example", example.rationale)
