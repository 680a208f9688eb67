"""Components: sets of nodes that edges join, named by their smallest node."""

from __future__ import annotations

import numpy as np

from unigurd_trainer.dedup.components import Components


def joined(size, *edges):
    components = Components(size)
    left, right = np.array(edges, np.int64).reshape(-1, 2).T
    components.join(left, right)
    return components.roots.tolist()


def test_without_edges_every_node_is_its_own_root():
    assert joined(3) == [0, 1, 2]


def test_the_smallest_node_is_the_root_whatever_the_order_of_edges():
    edges = [(4, 3), (3, 1), (5, 0), (1, 2)]
    assert joined(6, *edges) == joined(6, *edges[::-1]) == [0, 1, 1, 1, 1, 0]


def test_a_long_chain_is_one_component():
    assert set(joined(1000, *[(n, n + 1) for n in range(999)])) == {0}


def test_components_match_a_search_of_the_graph():
    rng = np.random.default_rng(0)
    edges = rng.integers(0, 300, (200, 2))
    expected = list(range(300))
    for _ in range(300):
        for left, right in edges:
            expected[left] = expected[right] = min(expected[left], expected[right])
    assert joined(300, *edges) == expected


def test_joins_add_up():
    components = Components(4)
    components.join(np.array([2]), np.array([3]))
    components.join(np.array([3]), np.array([1]))
    assert components.roots.tolist() == [0, 1, 1, 1]
