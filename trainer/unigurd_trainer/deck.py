"""Deck: written rows dealt out in epochs, by policy, twins together, every row once an epoch."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from unigurd_trainer.rows import ConditionedRow

__all__ = ["Deck"]

Twins = tuple[ConditionedRow, ...]


class Deck:
    """Deals the rows of one policy at a time.

    Args:
        rows: The rows; those that share a group, or a policy and a prompt, are twins and stay together (more
            than a quarter of ``size`` are cut into pieces of neighbours).
        size: Rows in a hand at most.
        seed: Another seed deals otherwise.
    """

    def __init__(self, rows: Iterable[ConditionedRow], *, size: int = 16, seed: int = 0) -> None:
        self.seed = seed
        self.size = size
        self.twins: Mapping[str, list[Twins]] = _twins(rows, max(2, size // 4))
        self._hands = {policy: self._hand_count(twins) for policy, twins in self.twins.items()}
        self._order = [(policy, hand) for policy, hands in self._hands.items() for hand in range(hands)]
        self._epochs: dict[int, list[tuple[str, int]]] = {}

    def __len__(self) -> int:
        """Return the number of hands in an epoch."""
        return len(self._order)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(len(group) for groups in self.twins.values() for group in groups)

    def deal(self, number: int) -> tuple[str, tuple[ConditionedRow, ...]]:
        """Return hand ``number`` of the endless sequence: the policy and its rows."""
        epoch, at = divmod(number, len(self._order))
        policy, hand = self._epoch(epoch)[at]
        return policy, self._pack(policy, epoch)[hand]

    def _epoch(self, epoch: int) -> list[tuple[str, int]]:
        if epoch not in self._epochs:
            order = list(self._order)
            random.Random(f"deck:{self.seed}:{epoch}").shuffle(order)
            self._epochs = {epoch: order}
        return self._epochs[epoch]

    def _hand_count(self, twins: Sequence[Twins]) -> int:
        total = sum(map(len, twins))
        return 1 if total <= self.size else -(-total // (self.size - max(map(len, twins))))

    def _pack(self, policy: str, epoch: int) -> list[tuple[ConditionedRow, ...]]:
        """Fill the hands of a policy: shuffled twins, each to the emptiest hand; none exceeds the size."""
        twins = list(self.twins[policy])
        random.Random(f"deck:{self.seed}:{epoch}:{policy}").shuffle(twins)
        hands: list[list[ConditionedRow]] = [[] for _ in range(self._hands[policy])]
        for group in twins:
            min(hands, key=len).extend(group)
        return [tuple(hand) for hand in hands]


def _twins(rows: Iterable[ConditionedRow], most: int) -> dict[str, list[Twins]]:
    groups: defaultdict[str, defaultdict[str, list[ConditionedRow]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        groups[row.policy][row.prompt or row.group].append(row)
    return {
        policy: [tuple(twins[at : at + most]) for twins in of_policy.values() for at in range(0, len(twins), most)]
        for policy, of_policy in sorted(groups.items())
    }
