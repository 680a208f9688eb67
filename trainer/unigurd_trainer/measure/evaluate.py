"""Evaluation: a checkpoint through the public guard, the way users run it, on named sets, into a table of measures."""

from __future__ import annotations

import json
import platform
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unigurd_sdk.guard import Guard
from unigurd_sdk.policy import Policy
from unigurd_sdk.template import Role
from unigurd_sdk.verdict import Verdict
from unigurd_trainer.corpus import data_hash
from unigurd_trainer.measure.sets import EvaluationSet, report_sets
from unigurd_trainer.metrics import Metrics, mean_auc, measure
from unigurd_trainer.rows import Episode, Example

__all__ = ["Judged", "Results", "SetResult", "judge", "run"]

CHUNK = 256
"""Texts of one call of the guard."""

LEAST_OF_LANGUAGE = 20
"""A language with fewer rows in a set is not reported on its own."""

Observe = Callable[[str, int], None]
"""Called after every call of the guard with the set's name and how many rows it judged."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a guard said of N rows, all [N].

    Attributes:
        labels: 1 is unsafe.
        scores: Probabilities of a violation.
        thresholds: The threshold that held for each row.
        policies: Fingerprint of each row's policy.
        languages: Language of each row.
    """

    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    policies: NDArray[np.str_]
    languages: NDArray[np.str_]

    def measure(self, rows: NDArray[np.bool_] | None = None) -> Metrics:
        """Measure all rows, or those of a mask [N]."""
        chosen = np.ones(len(self.labels), dtype=bool) if rows is None else rows
        return measure(self.labels[chosen], self.scores[chosen], self.thresholds[chosen])

    def policy_auc(self) -> float | None:
        """Mean AUC of the policies that have both classes; None for one policy or if none has."""
        names = np.unique(self.policies)
        groups = ((self.labels[self.policies == name], self.scores[self.policies == name]) for name in names)
        mean = mean_auc(groups) if len(names) > 1 else float("nan")
        return None if np.isnan(mean) else mean


@dataclass(frozen=True, slots=True)
class SetResult:
    """The measures of one set.

    Attributes:
        name: The set.
        fingerprint: Hash of its rows (see `EvaluationSet`).
        policies: How many policies it has.
        policy_auc: Mean AUC per policy; None for one policy.
        metrics: Measures over all rows at the checkpoint's thresholds.
        languages: The same for each language, if there are several with enough rows.
    """

    name: str
    fingerprint: str
    policies: int
    policy_auc: float | None
    metrics: Metrics
    languages: Mapping[str, Metrics]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, rounded to 4 digits."""
        plain: dict[str, Any] = {"fingerprint": self.fingerprint, "policies": self.policies}
        plain["policy_auc"] = None if self.policy_auc is None else round(self.policy_auc, 4)
        plain |= self.metrics.to_dict()
        if self.languages:
            plain["languages"] = {lang: metrics.to_dict() for lang, metrics in self.languages.items()}
        return plain


@dataclass(frozen=True, slots=True)
class Results:
    """What was measured on which checkpoint with which data.

    Attributes:
        checkpoint, checkpoint_id: Its name and the hash of its manifest.
        temperature, threshold, thresholds: How it decides.
        data_hash: Hash of the training files of the data folder.
        versions: Of Python and the packages that decide the numbers.
        sets: The measures.
    """

    checkpoint: str
    checkpoint_id: str
    temperature: float
    threshold: float
    thresholds: Mapping[str, float]
    data_hash: str
    versions: Mapping[str, str]
    sets: tuple[SetResult, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for `json.dumps`."""
        names = ("checkpoint", "checkpoint_id", "temperature", "threshold", "data_hash")
        plain: dict[str, Any] = {name: getattr(self, name) for name in names}
        plain |= {"thresholds": dict(self.thresholds), "versions": dict(self.versions)}
        return plain | {"sets": {each.name: each.to_dict() for each in self.sets}}


def run(
    checkpoint: str | Path,
    data: Path,
    out: Path | None = None,
    sets: Sequence[str] | None = None,
    *,
    holdout_seed: int = 0,
    threads: int | None = None,
    prepared: Callable[[Mapping[str, int]], None] = lambda rows: None,
    observe: Observe = lambda name, rows: None,
) -> Results:
    """Measure a checkpoint.

    Args:
        checkpoint: A folder or a name, as for `Guard.from_pretrained`.
        data: The data folder.
        out: File for the results as JSON; the table goes beside it as Markdown. None writes nothing.
        sets: Which sets, see `report_sets`; None is all.
        holdout_seed: The one of the training recipe.
        threads: Threads of one operation; None is one per core.
        prepared: Told once how many rows each set has.
        observe: Told of progress.
    """
    with Guard.from_pretrained(checkpoint, threads=threads) as guard:
        chosen = report_sets(data, sets, holdout_seed=holdout_seed)
        prepared({each.name: each.rows for each in chosen})
        manifest = guard.checkpoint.manifest
        results = Results(
            checkpoint=manifest.name,
            checkpoint_id=guard.checkpoint.id,
            temperature=manifest.temperature,
            threshold=manifest.threshold,
            thresholds=dict(manifest.thresholds),
            data_hash=data_hash(data),
            versions=_versions(),
            sets=tuple(_measure(guard, each, observe) for each in chosen),
        )
    if out is not None:
        _write(results, out)
    return results


def judge(guard: Guard, episodes: Iterable[Episode], observe: Callable[[int], None] = lambda rows: None) -> Judged:
    """Judge every text of the episodes under its policy; rows come by policy and role, not in order."""
    rows: list[tuple[Example, Verdict, str]] = []
    for policy, role, examples in _calls(episodes):
        prompts = [example.prompt if role == "assistant" else None for example in examples]
        verdicts = guard.check_batch([row.text for row in examples], policy=policy, role=role, prompts=prompts)
        rows += zip(examples, verdicts, repeat(policy.fingerprint), strict=False)
        observe(len(examples))
    return Judged(
        labels=np.array([example.label for example, _, _ in rows], dtype=np.int64),
        scores=np.array([verdict.score for _, verdict, _ in rows], dtype=np.float64),
        thresholds=np.array([verdict.threshold for _, verdict, _ in rows], dtype=np.float64),
        policies=np.array([fingerprint for _, _, fingerprint in rows], dtype=np.str_),
        languages=np.array([example.lang for example, _, _ in rows], dtype=np.str_),
    )


def _calls(episodes: Iterable[Episode]) -> Iterator[tuple[Policy, Role, list[Example]]]:
    """Group rows by policy and role, in pieces of bearable size; texts of a like length together."""
    grouped: defaultdict[tuple[Policy, Role], list[Example]] = defaultdict(list)
    for episode in episodes:
        for example in episode.examples:
            grouped[episode.policy, example.role].append(example)
    for (policy, role), examples in grouped.items():
        examples.sort(key=lambda example: len(example.text))
        for start in range(0, len(examples), CHUNK):
            yield policy, role, examples[start : start + CHUNK]


def _measure(guard: Guard, chosen: EvaluationSet, observe: Observe) -> SetResult:
    judged = judge(guard, chosen.episodes, lambda rows: observe(chosen.name, rows))
    names, counts = np.unique(judged.languages, return_counts=True)
    common = [str(name) for name, count in zip(names, counts, strict=True) if count >= LEAST_OF_LANGUAGE]
    return SetResult(
        name=chosen.name,
        fingerprint=chosen.fingerprint,
        policies=len(np.unique(judged.policies)),
        policy_auc=judged.policy_auc(),
        metrics=judged.measure(),
        languages={lang: judged.measure(judged.languages == lang) for lang in common} if len(common) > 1 else {},
    )


def _versions() -> dict[str, str]:
    packages = ("unigurd-sdk", "onnxruntime", "tokenizers", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def _write(results: Results, out: Path) -> None:
    from unigurd_trainer.measure.tables import markdown

    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results.to_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(markdown(results), encoding="utf-8")
