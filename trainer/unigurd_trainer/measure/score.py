"""The paper's "Score": the mean over data sets, with what the resamples say about it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unigurd_trainer.measure.of_set import Measured
from unigurd_trainer.measure.resample import interval
from unigurd_trainer.measure.results import Difference, Score

__all__ = ["score"]


def score(measured: Sequence[Measured]) -> Score | None:
    """Average the F1 of the sets that count and have both classes, times 100; None for fewer than two.

    The data sets are independent, so the mean of their resampled values is the resampled mean.
    """
    counted = [each for each in measured if each.chosen.provenance.in_score and each.result.metrics.f1 is not None]
    if len(counted) < 2:
        return None
    models = range(len(counted[0].samples))
    means = [100 * np.mean([each.samples[model].values["f1"] for each in counted], axis=0) for model in models]
    value = _mean([each.result.metrics.f1 for each in counted])
    names = tuple(each.chosen.name for each in counted)
    rivals = [each.result.rival.metrics.f1 for each in counted if each.result.rival is not None]
    difference = Difference(value - _mean(rivals), interval(means[0] - means[1])) if rivals else None
    return Score(value, interval(means[0]), names, difference)


def _mean(values: Sequence[float | None]) -> float:
    return 100 * float(np.mean([value or 0.0 for value in values]))
