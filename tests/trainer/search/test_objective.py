"""The objective: F1 by policy and its mean, and thresholds."""

import numpy as np
import pytest

pytest.importorskip("torch")

from unigurd_trainer.search.objective import choose_thresholds, f1s_of, logit, mean_f1
from unigurd_trainer.search.panel import Panel


def panel(labels, groups, names=("a", "b")):
    return Panel((), np.array(labels), np.array(groups), names)


def test_f1_is_of_the_unsafe_class_by_policy_and_the_mean_is_unweighted():
    rows = panel([1, 1, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 1, 1])
    logits = np.array([1.0, -1.0, 1.0, 1.0, -1.0, 2.0, -2.0])
    values = f1s_of(rows, logits, [0.0, 0.0])
    assert values == pytest.approx({"a": 2 / 3, "b": 1.0})
    assert mean_f1(values) == pytest.approx(5 / 6)


def test_a_policy_without_rows_has_no_f1():
    assert f1s_of(panel([1, 0], [1, 1]), np.array([1.0, -1.0]), [0.0, 0.0]) == {"b": 1.0}


def test_a_fixed_threshold_is_a_probability():
    assert choose_thresholds(panel([1, 0], [0, 1]), np.zeros(2), 0.5) == [0.0, 0.0]
    assert (
        choose_thresholds(panel([1], [0]), np.zeros(1), 0.9)[0] == pytest.approx(logit(0.9)) == pytest.approx(2.1972246)
    )


def test_a_shared_threshold_gives_the_best_mean():
    rows, logits = panel([1, 0, 1, 0], [0, 0, 1, 1]), np.array([5.0, 3.0, 4.5, 4.0])
    shared = choose_thresholds(rows, logits, "shared")
    assert len(set(shared)) == 1 and 4.0 < shared[0] < 4.5
    assert mean_f1(f1s_of(rows, logits, shared)) == 1.0


def test_policies_with_enough_rows_get_a_threshold_of_their_own():
    many = [1] * 10 + [0] * 10
    rows = panel([*many, 1, 0], [*[0] * 20, 1, 1])
    logits = np.array([*np.linspace(8, 9, 10), *np.linspace(6, 7, 10), -1.0, -2.0])
    own, other = choose_thresholds(rows, logits, "own")
    assert 7.0 < own < 8.0
    assert other == choose_thresholds(rows, logits, "shared")[1]
