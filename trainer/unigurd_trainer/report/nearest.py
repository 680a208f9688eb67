"""The nearest pairs of texts with different labels: where a policy draws its line, or where a label is wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unigurd_trainer.dedup.records import Record
from unigurd_trainer.dedup.semantic import Vectors, alike_across

__all__ = ["Near", "nearest_across"]


class Near(NamedTuple):
    """Numbers of a safe and an unsafe record, and their cosine."""

    safe: int
    unsafe: int
    cosine: float


def nearest_across(records: Sequence[Record], vectors: Vectors, most: int) -> tuple[Near, ...]:
    """Find the nearest pairs within a policy and role, at most one for each safe record; the nearest first."""
    sides: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for number, record in enumerate(records):
        sides[record.scope][record.label].append(number)
    pairs = [pair for safe, unsafe in sides.values() for pair in _nearest(safe, unsafe, vectors)]
    return tuple(sorted(pairs, key=lambda pair: (-pair.cosine, pair.safe, pair.unsafe))[:most])


def _nearest(safe: list[int], unsafe: list[int], vectors: Vectors) -> list[Near]:
    found = alike_across(vectors[np.array(safe, np.int64)], vectors[np.array(unsafe, np.int64)], -1.0, neighbours=1)
    best: dict[int, Near] = {}  # large sets are searched cell by cell, so that a record may come several times
    for left, right, cosine in zip(found.left.tolist(), found.right.tolist(), found.similarity.tolist(), strict=True):
        pair = Near(safe[left], unsafe[right], round(cosine, 4))
        best[left] = max(best.get(left, pair), pair, key=lambda each: each.cosine)
    return list(best.values())
