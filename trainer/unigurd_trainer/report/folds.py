"""Cross-validation: scores of every row by a model that did not see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from unigurd_trainer.metrics import Labels, Scores

__all__ = ["FOLDS", "LEAST", "Fit", "out_of_fold"]

FOLDS = 5
LEAST = 10
"""Rows of each label without which nothing is measured."""

Fit = Callable[[NDArray[np.int64], NDArray[np.int64]], Scores]
"""Trains on the rows of the first argument, returns scores of those of the second."""


def out_of_fold(labels: Labels, groups: Sequence[str], fit: Fit) -> Scores | None:
    """Score each row [N] by a model trained on the other folds; rows of one group are in one fold.

    Returns:
        The scores [N]; None if a label has fewer than `LEAST` rows, or groups leave a fold with one label to learn.
    """
    if np.bincount(labels, minlength=2).min() < LEAST:
        return None
    fold = _folds(labels, groups)
    scores = np.zeros(len(labels))
    for number in range(FOLDS):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if len(np.unique(labels[train])) < 2:
            return None
        if len(test):
            scores[test] = fit(train, test)
    return scores


def _folds(labels: Labels, groups: Sequence[str]) -> NDArray[np.int64]:
    """Deal groups to folds, those that are mostly safe apart from the others, so that all folds have both labels."""
    _, member = np.unique(np.array(groups, np.object_), return_inverse=True)
    unsafe = np.bincount(member, weights=labels) * 2 >= np.bincount(member)
    shuffled = np.random.default_rng(0).permutation(len(unsafe))
    fold = np.empty(len(unsafe), np.int64)
    for side in (True, False):
        dealt = shuffled[unsafe[shuffled] == side]
        fold[dealt] = np.arange(len(dealt)) % FOLDS
    return np.asarray(fold[member])
