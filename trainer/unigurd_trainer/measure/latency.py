"""Latency: what one check costs, for safe and unsafe texts apart, as the paper reports it (SPEC section 8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from unigurd_sdk.guard import Guard
from unigurd_trainer.measure.judged import Judged
from unigurd_trainer.measure.questions import asked
from unigurd_trainer.measure.sets import EvaluationSet
from unigurd_trainer.metrics import Scores

__all__ = ["Latency", "latencies", "time_checks"]


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of one answer over `rows` rows: the median and the 95th percentile."""

    rows: int
    median_ms: float
    p95_ms: float


def latencies(judged: Judged) -> Mapping[str, Latency]:
    """Return the latency of ``safe`` and of ``unsafe`` rows, as far as it is known."""
    found = {}
    for label, name in enumerate(("safe", "unsafe")):
        times = judged.latency_ms[(judged.labels == label) & ~np.isnan(judged.latency_ms)]
        if len(times):
            median, late = np.quantile(times, [0.5, 0.95])
            found[name] = Latency(len(times), float(median), float(late))
    return found


def time_checks(guard: Guard, chosen: EvaluationSet, most: int, seed: int = 0) -> Scores:
    """Time up to `most` safe and as many unsafe rows of a set, one check at a time; return [N], NaN where not timed.

    Each text is checked twice and the second time counts: its policy is encoded then, as in a service that runs.
    """
    rows = list(asked(chosen.episodes))
    labels = np.array([row.label for episode in chosen.episodes for row in episode.examples], dtype=np.int64)
    generator, times = np.random.default_rng(seed), np.full(len(rows), np.nan)
    drawn = [generator.permutation(np.flatnonzero(labels == label))[:most] for label in (0, 1)]
    for place in generator.permutation(np.concatenate(drawn)):
        row = rows[place]
        for _ in range(2):
            start = perf_counter()
            guard.check(row.text, row.policy, role=row.role, prompt=row.prompt)
            times[place] = 1000 * (perf_counter() - start)
    return times
