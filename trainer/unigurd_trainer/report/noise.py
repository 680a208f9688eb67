"""Label noise: rows whose label a cross-validated model contradicts.

The model is a logistic regression on the embedding of the text and, if there is one, on a guard's score. Following
confident learning (Northcutt, Jiang and Chuang, 2021, https://arxiv.org/abs/1911.00068), a row is suspect if its
probability of the other label is at least the mean of that probability over the rows that have that label. It is an
estimate: some suspects are right and hard, and a model that tells little finds little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unigurd_trainer.dedup.extra import load
from unigurd_trainer.dedup.semantic import Vectors
from unigurd_trainer.metrics import Labels, Scores, auc
from unigurd_trainer.report.folds import out_of_fold

__all__ = ["Noise", "measure_noise"]

_LIMIT = 8.0  # of a guard's logit: beyond, it is sure


@dataclass(frozen=True, slots=True)
class Noise:
    """What a model thinks of the labels.

    Attributes:
        auc: Out-of-fold AUC of the model: near .5 it knows nothing, and the rest says nothing.
        suspect: Estimated share of wrong labels.
        disagreement: Share of rows where the model, at .5, says the other label.
        guard: The same of the guard alone, over the rows that it scored; None without a guard.
        guarded: Rows that the guard scored.
        rows: The suspect rows, the clearest first, with the model's probability of the other label.
    """

    auc: float
    suspect: float
    disagreement: float
    guard: float | None
    guarded: int
    rows: tuple[tuple[int, float], ...]


def measure_noise(labels: Labels, groups: Sequence[str], vectors: Vectors, guard: Scores | None = None) -> Noise | None:
    """Compare labels [N] with a cross-validated model; None if there are too few rows of a label.

    Args:
        labels: 1 unsafe, 0 safe.
        groups: [N] rows of one group are never in training and test at once.
        vectors: [N, D] embeddings.
        guard: [N] probabilities of a violation by a trained guard, NaN where it does not know the policy.
    """
    features = vectors if guard is None else np.column_stack([vectors, _logits(guard)])

    def fit(train: NDArray[np.int64], test: NDArray[np.int64]) -> Scores:
        linear = load("sklearn.linear_model", purpose="The estimate of label noise")
        model = linear.LogisticRegression(C=4.0, max_iter=2000).fit(features[train], labels[train])
        return np.asarray(model.predict_proba(features[test])[:, 1])

    scores = out_of_fold(labels, groups, fit)
    return None if scores is None else _noise(labels, scores, guard)


def _noise(labels: Labels, scores: Scores, guard: Scores | None) -> Noise:
    other = np.where(labels == 1, 1 - scores, scores)  # probability of the label that the row does not have
    usual = np.array([1 - scores[labels == 0].mean(), scores[labels == 1].mean()])
    suspects = np.flatnonzero((other >= usual[1 - labels]) & (other > 0.5))
    order = suspects[np.argsort(-other[suspects], kind="stable")]
    rows = tuple((int(row), round(float(other[row]), 4)) for row in order)
    known = np.zeros(len(labels), np.bool_) if guard is None else ~np.isnan(guard)
    wrong = None if guard is None or not known.any() else float(((guard >= 0.5) != (labels == 1))[known].mean())
    share, wide = len(rows) / len(labels), float((other > 0.5).mean())
    return Noise(auc(labels, scores), share, wide, wrong, int(known.sum()), rows)


def _logits(scores: Scores) -> Scores:
    """Turn probabilities into logits between -1 and 1; 0 where there is none."""
    odds = np.clip(np.nan_to_num(scores, nan=0.5), 1e-6, 1 - 1e-6)
    return np.asarray(np.clip(np.log(odds / (1 - odds)), -_LIMIT, _LIMIT) / _LIMIT)
