"""Links: what near-duplicates mean, by label. Same label: one of them goes. Different labels: a person looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unigurd_trainer.dedup.components import Components, Nodes

__all__ = ["TIERS", "Links", "Pairs"]

TIERS = ("exact", "lexical", "semantic")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of texts that are alike: two nodes and their similarity, all [N]."""

    left: Nodes
    right: Nodes
    similarity: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.left)

    def where(self, mask: NDArray[np.bool_]) -> Pairs:
        """Select pairs."""
        return Pairs(self.left[mask], self.right[mask], self.similarity[mask])

    def of(self, names: Nodes) -> Pairs:
        """Replace each node by `names[node]`."""
        return Pairs(names[self.left], names[self.right], self.similarity)

    @classmethod
    def joined(cls, parts: Sequence[Pairs]) -> Pairs:
        """Put several sets of pairs, at least one, one after the other."""
        left, right = (np.concatenate([getattr(part, side) for part in parts]) for side in ("left", "right"))
        return cls(left, right, np.concatenate([part.similarity for part in parts]))


class Links:
    """Nodes in order of preference, joined where they are duplicates.

    Attributes:
        labels: [N] 0 or 1.
        components: The duplicates; all nodes of a component have one label, and its root is the one to keep.
        tier: [N] index into `TIERS` of the tier that dropped the node, -1 for the kept ones.
    """

    def __init__(self, labels: NDArray[np.int8]) -> None:
        self.labels = labels
        self._reviews: list[tuple[int, Pairs]] = []
        self.components = Components(len(labels))
        self.tier = np.full(len(labels), -1, np.int8)

    @property
    def kept(self) -> NDArray[np.bool_]:
        """[N] whether the node is the one of its component that stays."""
        return np.asarray(self.components.roots == np.arange(len(self.labels)))

    def settled(self, left: Nodes, right: Nodes) -> NDArray[np.bool_]:
        """[N] whether these pairs are known to be duplicates already."""
        return np.asarray(self.components.roots[left] == self.components.roots[right])

    def add(self, tier: int, pairs: Pairs) -> None:
        """Join the pairs of one label, and note the others for review."""
        same = self.labels[pairs.left] == self.labels[pairs.right]
        self.components.join(pairs.left[same], pairs.right[same])
        self.tier[~self.kept & (self.tier < 0)] = tier
        if not same.all():
            self._reviews.append((tier, pairs.where(~same)))

    def reviews(self) -> tuple[NDArray[np.int8], Pairs]:
        """Return the pairs of kept nodes to look at, each with the first tier that found it, and in order.

        A dropped node is stood for by the one kept instead of it. The similarity is the highest that this tier saw.
        """
        if not self._reviews:
            empty = np.zeros(0, np.int64)
            return np.zeros(0, np.int8), Pairs(empty, empty, np.zeros(0))
        tiers = np.concatenate([np.full(len(pairs), tier, np.int8) for tier, pairs in self._reviews])
        pairs = Pairs.joined([pairs for _, pairs in self._reviews]).of(self.components.roots)
        left, right = np.sort([pairs.left, pairs.right], axis=0)
        order = np.lexsort((-pairs.similarity, tiers, right, left))
        pairs = Pairs(left[order], right[order], pairs.similarity[order])
        fresh = np.ones(len(order), np.bool_)
        fresh[1:] = (np.diff(pairs.left) != 0) | (np.diff(pairs.right) != 0)
        return tiers[order][fresh], pairs.where(fresh)
