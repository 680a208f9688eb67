"""Tier 3: texts that mean nearly the same, by the cosine of their embeddings, with faiss.

Small sets are searched exactly. Large ones are cut into cells around centroids; every vector belongs to its four
nearest cells, and each cell is searched exactly by matrix products. Two near-duplicates nearly always share one of
their cells (see `benchmarks/dedup_semantic.py`). Cells do not depend on each other: they are the shards of a set that
one machine cannot hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unigurd_trainer.dedup.components import Nodes
from unigurd_trainer.dedup.extra import load
from unigurd_trainer.dedup.links import Pairs
from unigurd_trainer.errors import DataError

__all__ = ["EXACT", "NEIGHBOURS", "REVIEW", "TAU", "Vectors", "alike", "alike_across", "checked"]

Vectors = NDArray[np.float32]

TAU = 0.9
"""Cosine from which two texts of one label are duplicates."""

REVIEW = 0.95
"""Cosine from which two texts of different labels are shown to a person."""

NEIGHBOURS = 8
EXACT = 5_000
"""Sets up to this size are searched exactly."""

_CELLS_PER_ROOT = 3  # 3 sqrt(N) cells: finding the cells and searching them then cost about the same
_CELLS_OF_EACH = 4
_TRAINING = {"niter": 4, "max_points_per_centroid": 32, "min_points_per_centroid": 1, "spherical": True, "seed": 0}


def checked(vectors: NDArray[np.floating[Any]]) -> Vectors:
    """Return vectors [N, D] as float32; `DataError` unless each is of length 1."""
    found = np.ascontiguousarray(vectors, dtype=np.float32)
    if not np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-3):
        raise DataError("an embedder must return finite vectors of length 1; normalise what it returns")
    return found


def alike(vectors: Vectors, tau: float = TAU, *, neighbours: int = NEIGHBOURS, exact: int = EXACT) -> Pairs:
    """Find the pairs with a cosine of at least `tau` among the `neighbours` nearest of each vector; some come twice.

    Args:
        vectors: [N, D] of length 1, in an order that depends on nothing but the data: cells are made from it.
        tau: Least cosine of a pair.
        neighbours: How many to look at, in each cell.
        exact: Up to this many vectors, search all of them.
    """
    found = _alike(vectors, vectors, tau, neighbours + 1, exact)
    return found.where(found.left != found.right)


def alike_across(
    left: Vectors, right: Vectors, tau: float = REVIEW, *, neighbours: int = NEIGHBOURS, exact: int = EXACT
) -> Pairs:
    """Find pairs of one vector from `left` [N, D] and one from `right` [M, D] with a cosine of at least `tau`."""
    return _alike(left, right, tau, neighbours, exact)


def _alike(left: Vectors, right: Vectors, tau: float, neighbours: int, exact: int) -> Pairs:
    faiss = load("faiss", purpose="Semantic de-duplication")
    parts = [Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for rows, columns in _cells(faiss, left, right, exact):
        count = min(neighbours, len(columns))
        cosines, nearest = faiss.knn(left[rows], right[columns], count, metric=faiss.METRIC_INNER_PRODUCT)
        row, rank = np.nonzero(cosines >= tau)
        cosine = np.minimum(cosines[row, rank].astype(np.float64), 1.0)
        parts.append(Pairs(rows[row], columns[nearest[row, rank]], cosine))
    return Pairs.joined(parts)


def _cells(faiss: Any, left: Vectors, right: Vectors, exact: int) -> Iterator[tuple[Nodes, Nodes]]:  # noqa: ANN401
    """Yield which rows of `left` to compare with which of `right`."""
    if not len(left) or not len(right):
        return
    if max(len(left), len(right)) <= exact:
        yield np.arange(len(left)), np.arange(len(right))
        return
    larger = left if len(left) > len(right) else right
    count = _CELLS_PER_ROOT * int(len(larger) ** 0.5)
    cells = faiss.Kmeans(larger.shape[1], count, **_TRAINING)
    cells.train(larger)
    members = [_members(cells.index, vectors, count) for vectors in ((left,) if left is right else (left, right))]
    for rows, columns in zip(members[0], members[-1], strict=True):
        if len(rows) and len(columns):
            yield rows, columns


def _members(index: Any, vectors: Vectors, count: int) -> list[Nodes]:  # noqa: ANN401 - faiss has no types
    """List the vectors of each cell."""
    _, cells = index.search(vectors, _CELLS_OF_EACH)
    order = np.argsort(cells, axis=None, kind="stable")
    bounds = np.searchsorted(cells.reshape(-1)[order], np.arange(1, count))
    return list(np.split(order // _CELLS_OF_EACH, bounds))
