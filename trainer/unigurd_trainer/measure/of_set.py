"""What is taken from the answers about one set: measures, intervals, parts, latency, the difference from a rival."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from unigurd_trainer.measure.judged import Judged, Names
from unigurd_trainer.measure.judges import System
from unigurd_trainer.measure.latency import latencies
from unigurd_trainer.measure.resample import Resampled, interval, resample
from unigurd_trainer.measure.results import Contamination, Difference, Rival, SetResult
from unigurd_trainer.measure.sets import EvaluationSet
from unigurd_trainer.metrics import Metrics

__all__ = ["Measured", "contamination", "measure_set"]

LEAST_ROWS = 20
"""A language or category with fewer rows in a set is not reported on its own."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A set, its result, and the resamples behind it: of the model and, if there is one, of the rival."""

    chosen: EvaluationSet
    result: SetResult
    samples: Sequence[Resampled]


def measure_set(
    chosen: EvaluationSet, system: System, said: Sequence[Judged], resamples: int = 1000, seed: int = 0
) -> Measured:
    """Measure a model on a set.

    Args:
        chosen: The set.
        system: The model.
        said: Its answers, and those of a rival if there is one.
        resamples: How many the intervals rest on.
        seed: Of the resamples; different sets are drawn independently of each other.
    """
    samples = [resample(each, resamples, (seed, int(chosen.fingerprint, 16))) for each in said]
    own = said[0]
    result = SetResult(
        name=chosen.name,
        fingerprint=chosen.fingerprint,
        policies=len(np.unique(own.policies)),
        policy_auc=own.policy_auc(),
        metrics=own.measure(),
        languages=_parts(own, own.languages),
        categories=_parts(own, own.categories),
        intervals=samples[0].intervals(),
        unit=samples[0].unit,
        units=samples[0].units,
        invalid=int(own.invalid.sum()),
        latency=latencies(own),
        provenance=chosen.provenance,
        contamination=contamination(system, chosen),
        rival=_rival(own, said[1], samples) if len(said) > 1 else None,
    )
    return Measured(chosen, result, samples)


def contamination(system: System, chosen: EvaluationSet) -> Contamination:
    """Say whether training saw the like of a set, as far as the model's manifest or its predictions tell."""
    if system.kind == "predictions":
        return "train-split" if chosen.name in system.trained_on else "unknown"
    if chosen.provenance.held_out:
        return "held-out"
    if not system.trained_on:
        return "unknown"
    sources = {row.source for episode in chosen.episodes for row in episode.examples}
    kinds = {kind for source, kind in chosen.provenance.relatives.items() if source in system.trained_on}
    if sources & system.trained_on or "train-split" in kinds:
        return "train-split"
    return "related" if kinds else "none-known"


def _parts(judged: Judged, names: Names) -> dict[str, Metrics]:
    """Measure the rows of each name that has enough, if there are several."""
    found, counts = np.unique(names, return_counts=True)
    common = [str(name) for name, count in zip(found, counts, strict=True) if name and count >= LEAST_ROWS]
    return {name: judged.part(names == name).measure() for name in common} if len(common) > 1 else {}


def _rival(own: Judged, other: Judged, samples: Sequence[Resampled]) -> Rival:
    ours, theirs = own.measure(), other.measure()
    values = {name: (value, asdict(theirs)[name]) for name, value in asdict(ours).items()}
    drawn = samples[0].minus(samples[1])
    differences = {name: Difference(values[name][0] - values[name][1], interval(drawn[name])) for name in drawn}
    return Rival(theirs, int(other.invalid.sum()), differences)
