"""The windows of a text become one score: by the worst, by any, by the worst few, and by how many there are."""

from __future__ import annotations

import numpy as np
import pytest

from unigurd_sdk.aggregate import aggregate, calibrate

LOGITS = np.array([[-2.0, 1.0], [0.5, -1.0], [-1.0, -3.0], [0.0, 0.0]])


@pytest.mark.parametrize("method", ["max", "noisy-or", "top-k"])
def test_one_window_keeps_its_score_whatever_the_calibration(method):
    assert aggregate(calibrate(LOGITS[:1], [1], slope=3.0), [1], method) == pytest.approx(LOGITS[0], abs=1e-9)


def test_the_worst_window_counts():
    assert aggregate(LOGITS, [4]) == pytest.approx([0.5, 1.0])


def test_noisy_or_is_the_probability_that_any_window_violates():
    safe = np.prod(1 / (1 + np.exp(LOGITS)), axis=0)
    assert aggregate(LOGITS, [4], "noisy-or") == pytest.approx(np.log((1 - safe) / safe))


def test_noisy_or_stays_finite():
    assert np.isfinite(aggregate(np.array([[-800.0], [-900.0]]), [2], "noisy-or")).all()
    assert aggregate(np.array([[800.0], [900.0]]), [2], "noisy-or") == pytest.approx(1700.0)


def test_the_worst_three_are_averaged():
    assert aggregate(LOGITS, [4], "top-k") == pytest.approx([-0.5 / 3, 0.0])


def test_logits_fall_with_the_number_of_windows_of_their_part():
    expected = LOGITS - 0.5 * np.log([[1], [3], [3], [3]])
    assert calibrate(LOGITS, [1, 3], slope=0.5) == pytest.approx(expected)


def test_logits_fall_by_so_much_at_most():
    assert calibrate(LOGITS, [4], slope=5.0, most=0.25) == pytest.approx(LOGITS - 0.25)


def test_the_worst_part_counts():
    assert aggregate(LOGITS, [1, 3], "top-k") == pytest.approx(np.maximum(LOGITS[0], LOGITS[1:].mean(axis=0)))
