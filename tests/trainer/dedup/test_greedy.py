"""The paper's greedy de-duplication, with the numbers of SPEC 1.4."""

from __future__ import annotations

import numpy as np

from unigurd_trainer.dedup.greedy import greedy


def circle(*degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_the_example_keeps_the_first_and_the_third():
    vectors = np.array([(1, 0), (0.96, 0.28), (0.6, 0.8)], np.float32)
    assert greedy(vectors, 0.9).tolist() == [0, 0, 2]


def test_of_a_chain_it_keeps_both_ends():
    assert greedy(circle(0, 24.5, 49), 0.9).tolist() == [0, 0, 2]


def test_it_depends_on_the_order():
    assert greedy(circle(24.5, 0, 49), 0.9).tolist() == [0, 0, 0]


def test_a_dropped_vector_names_the_nearest_kept_one():
    assert greedy(circle(0, 30, 18), 0.9).tolist() == [0, 1, 1]


def test_batches_do_not_see_each_other():
    assert greedy(circle(0, 0, 0, 0, 0), 0.9, batch=2).tolist() == [0, 0, 2, 2, 4]


def test_a_cosine_of_tau_is_a_duplicate():
    assert greedy(np.array([(1, 0), (0.5, 0.8660254)], np.float32), 0.5).tolist() == [0, 0]


def test_nothing_stays_nothing():
    assert greedy(np.zeros((0, 2), np.float32), 0.9).tolist() == []
