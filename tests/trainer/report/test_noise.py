"""Label noise: wrong labels are found by a model that did not see them."""

from __future__ import annotations

import numpy as np
import pytest

from unigurd_trainer.report.noise import measure_noise


@pytest.fixture
def clusters():
    """Vectors of two clusters, their labels, and 20 of 400 labels turned."""
    rng = np.random.default_rng(0)
    truth = np.arange(400) % 2
    vectors = (rng.standard_normal((400, 8)) * 0.3 + (2 * truth[:, None] - 1) * 0.5).astype(np.float32)
    turned = rng.choice(400, 20, replace=False)
    labels = truth.copy()
    labels[turned] = 1 - labels[turned]
    return vectors, labels, set(turned.tolist())


GROUPS = [str(number) for number in range(400)]


def noise_of(*arguments):
    return measure_noise(*arguments)


def test_turned_labels_are_found(clusters):
    vectors, labels, turned = clusters
    found = noise_of(labels, GROUPS, vectors)
    suspects = {row for row, _ in found.rows}
    assert len(suspects & turned) >= 18
    assert found.suspect == pytest.approx(0.05, abs=0.02)
    assert [other for _, other in found.rows] == sorted((other for _, other in found.rows), reverse=True)
    assert found.guard is None


def test_right_labels_are_left_alone(clusters):
    vectors, _, _ = clusters
    assert noise_of(np.arange(400) % 2, GROUPS, vectors).suspect < 0.01


def test_a_guard_helps_where_embeddings_say_nothing(clusters):
    _, labels, turned = clusters
    rng = np.random.default_rng(1)
    nothing = rng.standard_normal((400, 8)).astype(np.float32)
    guard = np.where(np.arange(400) % 2 == 1, 0.9, 0.1)
    alone, helped = noise_of(labels, GROUPS, nothing), noise_of(labels, GROUPS, nothing, guard)
    assert alone.auc < 0.6 < 0.9 < helped.auc
    assert helped.guard == pytest.approx(0.05)
    assert len({row for row, _ in helped.rows} & turned) >= 18


def test_rows_that_the_guard_does_not_know_do_not_count_for_it(clusters):
    vectors, labels, _ = clusters
    guard = np.full(400, np.nan)
    assert noise_of(labels, GROUPS, vectors, guard).guard is None
    guard[:10] = 1 - labels[:10]
    found = noise_of(labels, GROUPS, vectors, guard)
    assert (found.guard, found.guarded) == (1.0, 10)


def test_too_few_rows_are_not_measured(clusters):
    vectors, labels, _ = clusters
    assert noise_of(labels[:12], GROUPS[:12], vectors[:12]) is None
