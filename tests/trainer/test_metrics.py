"""Measures against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unigurd_trainer.metrics import (
    auc,
    average_precision,
    best_threshold,
    calibration_error,
    mean_auc,
    measure,
    measure_verdicts,
    nll,
    recall_at_fpr,
    threshold_at_fpr,
)

TRUTH = np.array([1, 1, 1, 0, 0])
SAID = np.array([1.0, 0.0, 1.0, 1.0, 0.0])


def test_the_example_of_the_specification():
    it = measure(TRUTH, SAID)
    assert (it.rows, it.unsafe) == (5, 3)
    assert it.precision == it.recall == it.f1 == pytest.approx(2 / 3)
    assert it.macro_f1 == pytest.approx(0.58333333)
    assert it.fpr == 0.5


def test_a_score_at_the_threshold_is_unsafe():
    it = measure([1, 0], [0.5, 0.49])
    assert (it.f1, it.fpr) == (1.0, 0.0)


def test_each_row_may_have_its_own_threshold():
    it = measure([1, 0], [0.3, 0.6], np.array([0.2, 0.7]))
    assert (it.f1, it.fpr) == (1.0, 0.0)


def test_flagging_nothing_is_zero_and_not_an_error():
    it = measure(TRUTH, np.zeros(5))
    assert (it.f1, it.precision, it.recall, it.fpr) == (0.0, 0.0, 0.0, 0.0)


def test_all_safe_rows_measure_the_false_positive_rate_only():
    it = measure([0, 0, 0, 0], [0.9, 0.1, 0.1, 0.1])
    assert it.to_dict() == {**dict.fromkeys(it.to_dict()), "rows": 4, "unsafe": 0, "fpr": 0.25}


def test_all_unsafe_rows_measure_the_recall_only():
    it = measure([1, 1, 1], [0.9, 0.9, 0.1])
    assert it.to_dict() == {**dict.fromkeys(it.to_dict()), "rows": 3, "unsafe": 3, "recall": 0.6667}


def test_no_rows_measure_nothing():
    it = measure([], [])
    assert it.to_dict() == {**dict.fromkeys(it.to_dict()), "rows": 0, "unsafe": 0}


def test_auc_counts_pairs_and_ties_half():
    # unsafe .8 and .4, safe .4 and .1: three pairs right, one tied
    assert auc(np.array([1, 0, 1, 0]), np.array([0.8, 0.4, 0.4, 0.1])) == 3.5 / 4


def test_mean_auc_leaves_out_policies_with_one_class():
    both, one = (np.array([1, 0]), np.array([0.9, 0.1])), (np.array([1, 1]), np.array([0.1, 0.2]))
    assert mean_auc([both, one]) == 1.0
    assert math.isnan(mean_auc([one]))


def test_average_precision_steps_over_recall():
    # ranked: unsafe, safe, unsafe -> precision 1 and 2/3 at recall 1/2 and 1
    assert average_precision(np.array([1, 0, 1]), np.array([0.9, 0.8, 0.7])) == pytest.approx((1 + 2 / 3) / 2)


def test_average_precision_of_one_score_for_all_is_the_share_of_unsafe():
    assert average_precision(TRUTH, np.full(5, 0.3)) == pytest.approx(0.6)


def test_recall_at_a_low_false_positive_rate():
    safe, unsafe = np.arange(200) / 1000, np.array([0.1985, 0.1975, 0.1965, 0.5])
    labels = np.repeat([0, 1], [200, 4])
    # 1 % of 200 are two: .199 and .198 may be flagged, .197 may not
    assert recall_at_fpr(labels, np.concatenate([safe, unsafe])) == 3 / 4


def test_recall_without_a_false_positive_where_the_safe_rows_are_few():
    assert recall_at_fpr(np.array([1, 1, 0]), np.array([0.9, 0.4, 0.4])) == 0.5


def test_calibration_error_weighs_gaps_by_bin():
    # bin of .9: 3 rows, 1 unsafe, gap .9 - 1/3; bin of .1: 1 row, safe, gap .1
    error = calibration_error(np.array([1, 0, 0, 0]), np.array([0.9, 0.9, 0.9, 0.1]))
    assert error == pytest.approx((3 * (0.9 - 1 / 3) + 0.1) / 4)


def test_likelihood_at_a_temperature():
    assert nll(np.array([1, 0]), np.array([2.0, 2.0]), 2.0) == pytest.approx(
        (math.log1p(math.exp(-1)) + math.log1p(math.exp(1))) / 2
    )


def test_the_best_threshold_lies_between_scores():
    # flag 3: P 2/3, R 1, F1 .8; flag 1: P 1, R .5, F1 .667
    threshold, value = best_threshold(np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1]))
    assert (threshold, value) == pytest.approx((0.4, 0.8))


def test_where_the_optimum_is_flat_the_threshold_is_in_its_middle():
    labels, scores = np.array([1, 1, 0, 1, 0]), np.array([0.9, 0.8, 0.5, 0.4, 0.1])
    # F1 by threshold, from high to low: 1/2, 4/5, 2/3, 6/7, 3/4
    assert list(best_threshold(labels, scores)) == pytest.approx([0.25, 6 / 7])
    assert list(best_threshold(labels, scores, slack=0.11)) == pytest.approx([0.25, 6 / 7])
    assert list(best_threshold(labels, scores, slack=0.2)) == pytest.approx([0.25, 6 / 7])
    assert list(best_threshold(labels, scores, slack=0.4)) == pytest.approx([0.45, 2 / 3])


def test_the_best_threshold_keeps_the_false_positive_rate():
    threshold, value = best_threshold(np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1]), most_fpr=0.0)
    assert (threshold, value) == pytest.approx((0.85, 2 / 3))


def test_no_threshold_where_the_highest_score_is_safe():
    assert best_threshold(np.array([0, 1]), np.array([0.9, 0.8]), most_fpr=0.0) == (1.0, 0.0)


def test_equal_scores_are_flagged_together():
    threshold, value = best_threshold(np.array([1, 0, 0]), np.array([0.6, 0.6, 0.2]))
    assert (threshold, value) == pytest.approx((0.4, 2 / 3))


def test_verdicts_without_scores_have_no_ranking():
    it = measure_verdicts(TRUTH, SAID == 1.0)
    assert it.f1 == pytest.approx(2 / 3)
    assert (it.auc, it.auprc, it.recall_low_fpr, it.ece) == (None, None, None, None)


@pytest.mark.parametrize(("most", "flagged"), [(0.0, 0), (0.24, 0), (0.25, 1), (0.5, 1), (0.75, 3), (1.0, 4)])
def test_a_threshold_for_a_false_positive_rate_keeps_it_and_no_lower_one_does(most, flagged):
    safe = np.array([0.1, 0.7, 0.4, 0.4])  # the two of .4 are flagged together or not at all
    threshold = threshold_at_fpr(safe, most)
    assert (safe >= threshold).sum() == flagged
    lower = np.nextafter(threshold, -1)
    assert most == 1.0 or (safe >= lower).mean() > most
