"""Shortcuts: how well the label can be told without the policy, from the wording or the length alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unigurd_trainer.dedup.extra import load
from unigurd_trainer.dedup.records import Record
from unigurd_trainer.metrics import Labels, Scores, auc, mean_auc
from unigurd_trainer.report.folds import LEAST, out_of_fold

__all__ = ["Shortcut", "measure_shortcut"]

_TOKEN = r"(?u)\w+|[^\w\s]"
_WORDS = 12


@dataclass(frozen=True, slots=True)
class Shortcut:
    """What gives the label away.

    Attributes:
        wording: Out-of-fold AUC of a logistic regression on the words and word pairs of the text; None if there
            were too few rows.
        within_policy: The same scores, as the mean AUC of the policies that have enough rows.
        length: AUC of the number of words, in the better direction; None for one label.
        safe_words, unsafe_words: The words that speak most for each label.
    """

    wording: float | None
    within_policy: float | None
    length: float | None
    safe_words: tuple[str, ...] = ()
    unsafe_words: tuple[str, ...] = ()


def measure_shortcut(records: Sequence[Record]) -> Shortcut:
    """Try to tell the label from the text alone; texts are compared as they are, prompts are not used."""
    labels = np.array([record.label for record in records], np.int64)
    texts = np.array([record.text for record in records], np.object_)
    length = auc(labels, np.array([len(text.split()) for text in texts], np.float64))

    def fit(train: NDArray[np.int64], test: NDArray[np.int64]) -> Scores:
        words, model = _fitted(texts[train], labels[train])
        return np.asarray(model.decision_function(words.transform(texts[test])))

    scores = out_of_fold(labels, [record.group or record.id for record in records], fit)
    best = None if np.isnan(length) else max(length, 1 - length)
    if scores is None:
        return Shortcut(None, None, best)
    within = _within_policy(records, labels, scores)
    return Shortcut(auc(labels, scores), within, best, *_telling(*_fitted(texts, labels)))


def _fitted(texts: NDArray[Any], labels: Labels) -> tuple[Any, Any]:
    """Fit a bag of words and a logistic regression on it."""
    text = load("sklearn.feature_extraction.text", purpose="The shortcut check")
    linear = load("sklearn.linear_model", purpose="The shortcut check")
    words = text.TfidfVectorizer(ngram_range=(1, 2), token_pattern=_TOKEN, sublinear_tf=True, max_features=50_000)
    model = linear.LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000)
    return words, model.fit(words.fit_transform(texts), labels)


def _within_policy(records: Sequence[Record], labels: Labels, scores: Scores) -> float | None:
    policies = np.array([record.policy for record in records], np.object_)
    masks = [policies == name for name in sorted(set(policies))]
    enough = [mask for mask in masks if np.bincount(labels[mask], minlength=2).min() >= LEAST]
    value = mean_auc((labels[mask], scores[mask]) for mask in enough)
    return None if np.isnan(value) else value


def _telling(words: Any, model: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:  # noqa: ANN401 - no types
    names, weights = words.get_feature_names_out(), model.coef_[0]
    order = np.argsort(weights, kind="stable")
    safe = [str(names[at]) for at in order[:_WORDS] if weights[at] < 0]
    unsafe = [str(names[at]) for at in order[::-1][:_WORDS] if weights[at] > 0]
    return tuple(safe), tuple(unsafe)
