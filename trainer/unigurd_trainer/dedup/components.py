"""Connected components by union-find, over arrays of edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Components", "Nodes"]

Nodes = NDArray[np.int64]


class Components:
    """Disjoint sets of the nodes 0 to N-1; the root of a set is its smallest node.

    Give the nodes the order of preference, and the root of each set is the one to keep, whatever the order of edges.

    Attributes:
        roots: [N] the root of each node; do not write to it.
    """

    def __init__(self, size: int) -> None:
        self.roots: Nodes = np.arange(size, dtype=np.int64)

    def join(self, left: Nodes, right: Nodes) -> None:
        """Join the sets of `left[i]` and `right[i]` for every i: hang the larger root below the smaller, flatten."""
        while True:
            one, other = self.roots[left], self.roots[right]
            apart = one != other
            if not apart.any():
                return
            left, right, one, other = left[apart], right[apart], one[apart], other[apart]
            np.minimum.at(self.roots, np.maximum(one, other), np.minimum(one, other))
            self._flatten()

    def _flatten(self) -> None:
        while True:
            above = self.roots[self.roots]
            if np.array_equal(above, self.roots):
                return
            self.roots = above
