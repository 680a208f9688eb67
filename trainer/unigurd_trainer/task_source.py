"""Episodes of one policy, without end: what fine-tuning is fed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from unigurd_sdk.policy import Policy
from unigurd_trainer.augment import augment
from unigurd_trainer.rows import Episode, Example
from unigurd_trainer.task_recipe import Balance

__all__ = ["TaskSource"]


class TaskSource:
    """Episodes by number, each text once an epoch of its pile.

    With the balance ``even`` safe and unsafe texts are piles of their own, of which an episode takes as many; the
    smaller pile comes round more often. With ``natural`` there is one pile.
    """

    def __init__(
        self,
        policy: Policy,
        rows: Sequence[Example],
        *,
        texts: int = 16,
        change: float = 0.0,
        balance: Balance = "even",
        seed: int = 0,
    ) -> None:
        """Deal `rows`, of both classes, `texts` an episode; a share `change` of the shown texts is changed lightly."""
        self.policy, self.change, self.seed = policy, change, seed
        classes = [[row for row in rows if row.label == label] for label in (0, 1)]
        self._piles = classes if balance == "even" else [list(rows)]
        self._share = texts // len(self._piles)
        self._orders: dict[tuple[int, int], list[Example]] = {}

    @property
    def epoch(self) -> int:
        """Episodes until every text of the largest pile was shown."""
        return -(-max(map(len, self._piles)) // self._share)

    def episode(self, index: int) -> Episode:
        """Give the episode of this number."""
        rng = random.Random(f"task:{self.seed}:{index}")
        first, piles = index * self._share, range(len(self._piles))
        rows = [self._row(pile, first + at) for pile in piles for at in range(self._share)]
        shown = [replace(row, text=augment(row.text, rng)) if rng.random() < self.change else row for row in rows]
        return Episode(self.policy, tuple(shown), "conditioned")

    def _row(self, pile: int, number: int) -> Example:
        epoch, at = divmod(number, len(self._piles[pile]))
        if (pile, epoch) not in self._orders:
            order = list(self._piles[pile])
            random.Random(f"order:{self.seed}:{pile}:{epoch}").shuffle(order)
            self._orders = {key: rows for key, rows in self._orders.items() if key[0] != pile}
            self._orders[pile, epoch] = order
        return self._orders[pile, epoch][at]
