"""Tier 3: pairs of close vectors, exact for small sets and by cells for large ones."""

from __future__ import annotations

import numpy as np
import pytest

from unigurd_trainer.dedup.components import Components
from unigurd_trainer.dedup.semantic import alike, alike_across, checked
from unigurd_trainer.errors import DataError

EXAMPLE = np.array([(1, 0), (0.96, 0.28), (0.6, 0.8)], np.float32)  # SPEC 1.4


def roots(vectors, tau, **options):
    pairs = alike(vectors, tau, **options)
    components = Components(len(vectors))
    components.join(pairs.left, pairs.right)
    return components.roots.tolist()


def unit(vectors):
    return checked(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def test_components_of_the_example():
    assert roots(EXAMPLE, 0.9) == [0, 0, 2]


def test_cosines_are_reported():
    pairs = alike(EXAMPLE, 0.5)
    cosines = dict(zip(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True), pairs.similarity, strict=True))
    assert cosines == pytest.approx({(0, 1): 0.96, (1, 0): 0.96, (0, 2): 0.6, (2, 0): 0.6, (1, 2): 0.8, (2, 1): 0.8})


def test_a_chain_is_one_component():
    angles = np.radians([0, 24.5, 49])  # neighbours have a cosine of .91, the ends one of .66
    chain = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert roots(chain, 0.9) == [0, 0, 0]


def test_across_only_pairs_of_both_sides_count():
    pairs = alike_across(EXAMPLE[:1], EXAMPLE[1:], 0.9)
    assert (pairs.left.tolist(), pairs.right.tolist()) == ([0], [0])


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (0, 0)])
def test_nothing_is_close_to_nothing(sizes):
    assert len(alike_across(EXAMPLE[: sizes[0]], EXAMPLE[: sizes[1]], 0.1)) == 0
    assert len(alike(EXAMPLE[:1], 0.1)) == 0


@pytest.fixture(scope="module")
def planted():
    """3,000 vectors and 300 near-duplicates of the first ones."""
    rng = np.random.default_rng(0)
    vectors = unit(rng.standard_normal((3000, 32)))
    copies = unit(vectors[:300] + 0.06 * rng.standard_normal((300, 32)).astype(np.float32))
    return np.concatenate([vectors, copies])


def test_cells_find_planted_duplicates(planted):
    cosine = np.einsum("nd,nd->n", planted[:300], planted[3000:])
    assert cosine.min() > 0.9
    found = roots(planted, 0.9, exact=100)
    assert np.mean([found[3000 + n] == found[n] for n in range(300)]) >= 0.99
    assert found[300:3000] == roots(planted, 0.9)[300:3000]


def test_cells_find_pairs_across(planted):
    pairs = alike_across(planted[:3000], planted[3000:], 0.9, exact=100)
    assert len(set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)) & {(n, n) for n in range(300)}) >= 297


def test_cells_are_the_same_every_time(planted):
    first, second = (alike(planted, 0.9, exact=100) for _ in range(2))
    assert first.left.tolist() == second.left.tolist()
    assert first.right.tolist() == second.right.tolist()


@pytest.mark.parametrize("wrong", [2 * EXAMPLE, np.zeros((1, 2)), np.full((1, 2), np.nan)])
def test_vectors_of_another_length_are_refused(wrong):
    with pytest.raises(DataError, match="length 1"):
        checked(wrong)
