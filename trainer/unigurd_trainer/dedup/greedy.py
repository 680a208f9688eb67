"""The paper's own de-duplication: greedy, inside mini-batches, because all pairs were deemed infeasible.

It depends on the order and misses duplicates that fall into different batches; components do neither.
"""

from __future__ import annotations

import numpy as np

from unigurd_trainer.dedup.components import Nodes
from unigurd_trainer.dedup.semantic import TAU, Vectors

__all__ = ["BATCH", "greedy"]

BATCH = 1024


def greedy(vectors: Vectors, tau: float = TAU, *, batch: int = BATCH) -> Nodes:
    """Scan each batch in order and keep a vector unless its cosine to one kept before reaches `tau` (section 3.1).

    Args:
        vectors: [N, D] of length 1.
        tau: Cosine from which a vector is dropped.
        batch: Vectors of a mini-batch.

    Returns:
        [N] the nearest kept vector for those that are dropped; their own number for those that are kept.
    """
    owners = np.arange(len(vectors), dtype=np.int64)
    for start in range(0, len(vectors), batch):
        part = vectors[start : start + batch]
        owners[start : start + batch] = start + _scan(part @ part.T, tau)
    return owners


def _scan(cosines: Vectors, tau: float) -> Nodes:
    kept: list[int] = []
    owners = np.arange(len(cosines), dtype=np.int64)
    for row, cosine in enumerate(cosines):
        near = kept[int(np.argmax(cosine[kept]))] if kept else row
        if near != row and cosine[near] >= tau:
            owners[row] = near
        else:
            kept.append(row)
    return owners
