"""Judged: what a model said of the rows of a set, in arrays that the measures are taken from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unigurd_trainer.metrics import Flags, Labels, Metrics, Scores, mean_auc, measure_verdicts
from unigurd_trainer.rows import Episode

__all__ = ["Judged", "unanswered"]

Names = NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a model said of N rows, all [N] and in the order of the set.

    Attributes:
        labels: 1 is unsafe.
        flagged: Whether the model called the row unsafe; of an invalid answer, the opposite of the label.
        scores: Probabilities of a violation; None if the model gives verdicts only. Of an invalid answer, the worst.
        invalid: Whether the model gave no usable answer.
        latency_ms: Wall time of each answer; NaN where it is not known.
        policies: Fingerprint of each row's policy.
        languages, categories, groups: Of each row; empty where the data state none.
    """

    labels: Labels
    flagged: Flags
    scores: Scores | None
    invalid: Flags
    latency_ms: Scores
    policies: Names
    languages: Names
    categories: Names
    groups: Names

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.labels)

    def part(self, rows: Flags) -> Judged:
        """Return the rows of a mask [N]."""
        columns = ((field.name, getattr(self, field.name)) for field in fields(self))
        kept: dict[str, Any] = {name: None if column is None else column[rows] for name, column in columns}
        return Judged(**kept)

    def measure(self) -> Metrics:
        """Measure all rows."""
        return measure_verdicts(self.labels, self.flagged, self.scores)

    def policy_auc(self) -> float | None:
        """Mean AUC of the policies that have both classes; None for one policy, without scores, or if none has."""
        names = np.unique(self.policies)
        if self.scores is None or len(names) < 2:
            return None
        own = (self.policies == name for name in names)
        mean = mean_auc((self.labels[rows], self.scores[rows]) for rows in own)
        return None if np.isnan(mean) else mean

    def answered(
        self, flagged: Flags, scores: Scores | None, invalid: Flags | None = None, latency_ms: Scores | None = None
    ) -> Judged:
        """Fill in a model's answers [N]; invalid ones count as wrong, whatever they say."""
        wrong = self.invalid if invalid is None else invalid
        return replace(
            self,
            flagged=np.where(wrong, self.labels == 0, flagged),
            scores=None if scores is None else np.where(wrong, 1.0 - self.labels, scores),
            invalid=wrong,
            latency_ms=self.latency_ms if latency_ms is None else latency_ms,
        )


def unanswered(episodes: Sequence[Episode]) -> Judged:
    """Return the rows of episodes, with nothing said about them yet."""
    policies = ((episode.policy.fingerprint, episode.examples) for episode in episodes)
    rows = [(fingerprint, row) for fingerprint, examples in policies for row in examples]
    size = len(rows)
    return Judged(
        labels=np.array([row.label for _, row in rows], dtype=np.int64),
        flagged=np.zeros(size, dtype=bool),
        scores=None,
        invalid=np.zeros(size, dtype=bool),
        latency_ms=np.full(size, np.nan),
        policies=np.array([fingerprint for fingerprint, _ in rows], dtype=np.str_),
        languages=np.array([row.lang for _, row in rows], dtype=np.str_),
        categories=np.array([row.category for _, row in rows], dtype=np.str_),
        groups=np.array([row.group for _, row in rows], dtype=np.str_),
    )
