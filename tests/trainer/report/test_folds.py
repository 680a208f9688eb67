"""Cross-validation: no row is scored by a model that saw it or its group."""

from __future__ import annotations

import numpy as np

from unigurd_trainer.report.folds import FOLDS, out_of_fold


def test_every_row_is_scored_once_and_never_with_its_group_in_training():
    labels = np.arange(60) % 2
    groups = [str(number // 3) for number in range(60)]
    seen = []

    def fit(train, test):
        assert {groups[row] for row in train}.isdisjoint(groups[row] for row in test)
        assert set(labels[test]) == {0, 1}
        seen.extend(test.tolist())
        return test.astype(float)

    scores = out_of_fold(labels, groups, fit)
    assert scores is not None
    assert scores.tolist() == list(range(60))
    assert sorted(seen) == list(range(60))


def test_too_few_rows_of_a_label_give_nothing():
    labels = np.array([0] * 50 + [1] * 9)
    assert out_of_fold(labels, list(map(str, range(59))), lambda train, test: np.zeros(len(test))) is None


def test_one_group_that_holds_a_label_gives_nothing():
    labels = np.array([0] * 50 + [1] * 20)
    groups = [*map(str, range(50)), *["one"] * 20]
    assert out_of_fold(labels, groups, lambda train, test: np.zeros(len(test))) is None
    assert FOLDS == 5
