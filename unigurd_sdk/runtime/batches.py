"""Groups segments of similar length into batches, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

BATCH_TOKENS = 1024
"""Padded tokens of a batch: few enough for a cache of a core, and they bound the memory that a batch needs."""

_STRETCH = 1.25


def batches(lengths: Sequence[int], budget: int) -> Iterator[NDArray[np.int64]]:
    """Group rows of similar length: index arrays that cover every row once.

    The longest row of a batch times its rows is at most `budget` (unless one row alone is longer), and its
    longest row is at most a quarter, or 8 tokens, longer than its shortest.
    """
    order = np.argsort(np.asarray(lengths), kind="stable")
    start = 0
    for stop in range(1, len(order) + 1):
        if stop < len(order):
            longest, shortest = lengths[order[stop]], lengths[order[start]]
            if longest * (stop - start + 1) <= budget and longest <= max(shortest * _STRETCH, shortest + 8):
                continue
        yield order[start:stop]
        start = stop
