"""Results: what was measured, on whom, on what and how, as values and as the JSON file that is published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from unigurd_trainer.measure.latency import Latency
from unigurd_trainer.measure.resample import Interval, Unit
from unigurd_trainer.measure.sets import Provenance
from unigurd_trainer.metrics import Metrics

__all__ = ["Contamination", "Difference", "Results", "Rival", "Score", "SetResult"]

Contamination = Literal["held-out", "train-split", "related", "none-known", "unknown"]
"""Whether training saw the like of a set: it was kept out as a kind; its train split trained; a sampling of the same
corpus did; nothing is known to have; or nobody said what trained."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How much higher a measure is than the rival's on the same rows, and its interval (paired bootstrap)."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Rival:
    """The other model on the same rows: its measures and the differences from it, by measure."""

    metrics: Metrics
    invalid: int
    differences: Mapping[str, Difference]


@dataclass(frozen=True, slots=True)
class SetResult:
    """The measures of one set.

    Attributes:
        name: The set.
        fingerprint: Hash of its rows (see `EvaluationSet`).
        policies: How many policies it has.
        policy_auc: Mean AUC per policy; None for one policy.
        metrics: Measures over all rows.
        languages, categories: The same for each that has enough rows, if there are several.
        intervals: 95 % intervals of measures, from resamples of `units` units of the kind `unit`.
        invalid: Answers that could not be used; they count as wrong.
        latency: Of ``safe`` and ``unsafe`` rows, where it is known.
        provenance: Where the rows are from.
        contamination: Whether training saw the like.
        rival: The other model, if there is one.
    """

    name: str
    fingerprint: str
    policies: int
    policy_auc: float | None
    metrics: Metrics
    languages: Mapping[str, Metrics]
    categories: Mapping[str, Metrics] = field(default_factory=dict)
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    unit: Unit = "row"
    units: int = 0
    invalid: int = 0
    latency: Mapping[str, Latency] = field(default_factory=dict)
    provenance: Provenance = Provenance()
    contamination: Contamination = "unknown"
    rival: Rival | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values; measures are rounded to 4 digits."""
        plain: dict[str, Any] = {"fingerprint": self.fingerprint, "policies": self.policies}
        plain["policy_auc"] = None if self.policy_auc is None else round(self.policy_auc, 4)
        plain |= self.metrics.to_dict() | {"invalid": self.invalid, "unit": self.unit, "units": self.units}
        plain["intervals"] = {name: _rounded(each) for name, each in self.intervals.items()}
        origin = asdict(self.provenance)
        plain |= {name: origin[name] for name in ("source", "revision", "split", "mapping")}
        plain |= {"contamination": self.contamination} | self._parts()
        plain |= {"latency": {name: asdict(each) for name, each in self.latency.items()}} if self.latency else {}
        return plain | ({} if self.rival is None else {"against": _against(self.rival)})

    def _parts(self) -> dict[str, Any]:
        parts = {"languages": self.languages, "categories": self.categories}
        return {
            kind: {name: metrics.to_dict() for name, metrics in by_name.items()}
            for kind, by_name in parts.items()
            if by_name
        }


@dataclass(frozen=True, slots=True)
class Score:
    """The paper's "Score": 100 times the unweighted mean F1 of several data sets (SPEC section 8).

    Attributes:
        value: The mean.
        interval: Its 95 % interval.
        sets: The data sets.
        difference: From the rival's, if there is one.
    """

    value: float
    interval: Interval
    sets: tuple[str, ...]
    difference: Difference | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, rounded to 2 digits."""
        plain: dict[str, Any] = {"value": round(self.value, 2), "interval": _rounded(self.interval, 2)}
        plain["sets"] = list(self.sets)
        return plain | ({} if self.difference is None else {"difference": _difference(self.difference, 2)})


@dataclass(frozen=True, slots=True)
class Results:
    """What was measured on which model with which data.

    Attributes:
        checkpoint, checkpoint_id: The model's name and version: of a checkpoint, the hash of its manifest.
        temperature, threshold, thresholds: How it decides, left to itself.
        data_hash: Hash of the training files of the data folder; empty if no set is from there.
        versions: Of Python and the packages that decide the numbers.
        sets: The measures.
        kind: ``checkpoint`` or ``predictions``.
        rule: How verdicts were made: a settled threshold rule as plain values.
        settings: What predictions record of their model.
        score: The mean over the data sets that count in it.
        against: Name and version of the rival.
        resamples, seed: Of the bootstrap.
    """

    checkpoint: str
    checkpoint_id: str
    temperature: float | None
    threshold: float
    thresholds: Mapping[str, float]
    data_hash: str
    versions: Mapping[str, str]
    sets: tuple[SetResult, ...]
    kind: str = "checkpoint"
    rule: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    score: Score | None = None
    against: tuple[str, str] | None = None
    resamples: int = 0
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for `json.dumps`."""
        names = ("kind", "checkpoint", "checkpoint_id", "temperature", "threshold", "data_hash", "resamples", "seed")
        plain: dict[str, Any] = {name: getattr(self, name) for name in names}
        plain |= {"thresholds": dict(self.thresholds), "rule": dict(self.rule), "versions": dict(self.versions)}
        plain |= {"settings": dict(self.settings)} if self.settings else {}
        plain |= {} if self.score is None else {"score": self.score.to_dict()}
        plain |= {} if self.against is None else {"against": dict(zip(("name", "version"), self.against, strict=True))}
        return plain | {"sets": {each.name: each.to_dict() for each in self.sets}}


def _against(rival: Rival) -> dict[str, Any]:
    differences = {name: _difference(each) for name, each in rival.differences.items()}
    return rival.metrics.to_dict() | {"invalid": rival.invalid, "differences": differences}


def _difference(difference: Difference, digits: int = 4) -> dict[str, Any]:
    return {"value": round(difference.value, digits), "interval": _rounded(difference.interval, digits)}


def _rounded(interval: Interval, digits: int = 4) -> list[float]:
    return [round(bound, digits) for bound in interval]
