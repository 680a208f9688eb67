"""Judges: who is measured. A guard that is asked now, or predictions of any model that were made before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from unigurd_sdk.errors import ConfigError
from unigurd_sdk.guard import Guard
from unigurd_sdk.manifest import MANIFEST_NAME
from unigurd_sdk.policy import Policy
from unigurd_sdk.template import Role
from unigurd_sdk.verdict import Verdict
from unigurd_trainer.errors import DataError
from unigurd_trainer.measure.judged import Judged, unanswered
from unigurd_trainer.measure.predictions import (
    SUFFIXES,
    Header,
    Prediction,
    Predictions,
    PredictionWriter,
    read_predictions,
)
from unigurd_trainer.measure.questions import Question, asked, questions
from unigurd_trainer.measure.sets import EvaluationSet
from unigurd_trainer.rows import Episode

__all__ = ["GuardJudge", "Judge", "Missing", "PredictionJudge", "System", "are_predictions", "judge", "opened"]

CHUNK = 256
"""Texts of one call of the guard."""

Missing = Literal["refuse", "wrong"]
"""What rows without a prediction are: an error, or wrong answers."""

Observe = Callable[[int], None]
"""Told how many rows were judged since the last time."""


@dataclass(frozen=True, slots=True)
class System:
    """Who is measured.

    Attributes:
        kind: Whether it was asked now (``checkpoint``) or before (``predictions``).
        name: What tables call it.
        version: The hash of a checkpoint's manifest; what the predictions state, or else their hash.
        rule: How its own verdicts come about, in words.
        temperature: Of a checkpoint's scores.
        threshold, thresholds: From which score a text is unsafe, and by policy where that differs.
        trained_on: Training sources of a checkpoint, or evaluation sets whose train split a foreign model has seen.
        settings: What predictions record besides.
    """

    kind: Literal["checkpoint", "predictions"]
    name: str
    version: str
    rule: str
    temperature: float | None = None
    threshold: float = 0.5
    thresholds: Mapping[str, float] = field(default_factory=dict)
    trained_on: frozenset[str] = frozenset()
    settings: Mapping[str, Any] = field(default_factory=dict)


class Judge(Protocol):
    """Something that answers for every row of a set."""

    @property
    def system(self) -> System:
        """Who it is."""

    def judge(self, chosen: EvaluationSet, observe: Observe = lambda rows: None) -> Judged:
        """Answer for all rows of a set, in their order."""


class GuardJudge:
    """Asks a guard, as its users do."""

    def __init__(self, guard: Guard, kept: PredictionWriter | None = None) -> None:
        """Take an open guard, and where to keep its answers; what is there already is not asked again."""
        self.guard, self._kept = guard, kept

    @property
    def system(self) -> System:
        """Who it is."""
        return _described(self.guard)

    def judge(self, chosen: EvaluationSet, observe: Observe = lambda rows: None) -> Judged:
        """Answer for all rows of a set, in their order."""
        if self._kept is None:
            return judge(self.guard, chosen.episodes, observe)
        new = [each for each in questions([chosen]) if each.id not in self._kept]
        observe(chosen.rows - len(new))
        for call in _calls(new):
            for place, verdict in zip(call, _answers(self.guard, [new[place] for place in call]), strict=True):
                self._kept.write(Prediction(id=new[place].id, score=verdict.score, flagged=verdict.unsafe))
            observe(len(call))
        return _filled(chosen, [self._kept[each.id] for each in asked(chosen.episodes)])


class PredictionJudge:
    """Looks up what a model said before."""

    def __init__(self, predictions: Predictions, missing: Missing = "refuse") -> None:
        """Take predictions, and what to make of rows that have none."""
        self._predictions, self._missing = predictions, missing

    @property
    def system(self) -> System:
        """Who it is."""
        header = self._predictions.header
        return System(
            kind="predictions",
            name=header.model,
            version=header.version or self._predictions.fingerprint,
            rule=header.threshold_rule or "as predicted",
            threshold=header.threshold,
            trained_on=frozenset(header.trained_on),
            settings=header.settings,
        )

    def judge(self, chosen: EvaluationSet, observe: Observe = lambda rows: None) -> Judged:
        """Answer for all rows of a set, in their order.

        Raises:
            DataError: Rows have no prediction, and missing ones are refused.
        """
        keys, rows = [each.id for each in asked(chosen.episodes)], self._predictions.rows
        missing = [key for key in dict.fromkeys(keys) if key not in rows]
        if missing and self._missing == "refuse":
            raise DataError(
                f"{len(missing)} of {len(set(keys))} different rows of {chosen.name} have no prediction by "
                f"{self.system.name}, the first is {missing[0]}; predict them, or count them as wrong"
            )
        observe(len(keys))
        answers = [rows.get(key) or Prediction(id=key, invalid=True) for key in keys]
        return _filled(chosen, answers, self._predictions.header.threshold)


@contextmanager
def opened(
    system: str | Path, *, threads: int | None = None, keep: Path | None = None, missing: Missing = "refuse"
) -> Iterator[Judge]:
    """Open who is measured, and close it in the end.

    Args:
        system: A checkpoint as for `Guard.from_pretrained`; or a file of predictions, or a folder of such files.
        threads: Threads of one operation of a checkpoint; None is one per core.
        keep: File of predictions for what a checkpoint says; an interrupted evaluation continues from it.
        missing: What rows without a prediction are.

    Raises:
        ModelError: The checkpoint cannot be used.
        DataError: The predictions cannot be used, or what is kept is another model's.
        ConfigError: Predictions are to be kept.
    """
    if are_predictions(system):
        if keep is not None:
            raise ConfigError("These are predictions already; what is kept (--keep) are a checkpoint's answers.")
        yield PredictionJudge(read_predictions(Path(system)), missing)
        return
    with Guard.from_pretrained(system, threads=threads) as guard:
        if keep is None:
            yield GuardJudge(guard)
            return
        with PredictionWriter(keep, _header(_described(guard))) as kept:
            yield GuardJudge(guard, kept)


def are_predictions(system: str | Path) -> bool:
    """Say whether this names predictions: a JSON Lines file, or a folder of them without a manifest."""
    path = Path(system)
    if not path.is_dir():
        return path.name.endswith(SUFFIXES)
    files = [file.name for file in path.iterdir()]
    return MANIFEST_NAME not in files and any(name.endswith(SUFFIXES) for name in files)


def judge(guard: Guard, episodes: Sequence[Episode], observe: Observe = lambda rows: None) -> Judged:
    """Ask a guard about every text of the episodes under its policy, in few calls; answers are in the rows' order."""
    rows = list(asked(episodes))
    scores, flagged = np.zeros(len(rows)), np.zeros(len(rows), dtype=bool)
    for call in _calls(rows):
        verdicts = _answers(guard, [rows[place] for place in call])
        scores[call] = [verdict.score for verdict in verdicts]
        flagged[call] = [verdict.unsafe for verdict in verdicts]
        observe(len(call))
    return unanswered(episodes).answered(flagged, scores)


def _calls(rows: Sequence[Question]) -> Iterator[list[int]]:
    """Group the places of rows by policy and role, in pieces of bearable size; texts of a like length together."""
    grouped: defaultdict[tuple[Policy, Role], list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        grouped[row.policy, row.role].append(place)
    for places in grouped.values():
        places.sort(key=lambda place: len(rows[place].text))
        for start in range(0, len(places), CHUNK):
            yield places[start : start + CHUNK]


def _answers(guard: Guard, rows: Sequence[Question]) -> list[Verdict]:
    first = rows[0]
    texts, prompts = [row.text for row in rows], [row.prompt for row in rows]
    return guard.check_batch(texts, policy=first.policy, role=first.role, prompts=prompts)


def _filled(chosen: EvaluationSet, answers: Sequence[Prediction], threshold: float = 0.5) -> Judged:
    """Put predictions [N] beside the rows of a set; the threshold decides where they have no verdict."""
    invalid = np.array([row.invalid for row in answers], dtype=bool)
    scores = np.array([np.nan if row.score is None else row.score for row in answers])
    own = np.array([np.nan if row.flagged is None else row.flagged for row in answers], dtype=np.float64)
    flagged = np.where(np.isnan(own), scores >= threshold, own == 1)
    latency = np.array([np.nan if row.latency_ms is None else row.latency_ms for row in answers])
    scored = not np.isnan(scores[~invalid]).any() and not invalid.all()
    return unanswered(chosen.episodes).answered(flagged, scores if scored else None, invalid, latency)


def _described(guard: Guard) -> System:
    manifest = guard.checkpoint.manifest
    return System(
        kind="checkpoint",
        name=manifest.name,
        version=guard.checkpoint.id,
        rule="thresholds of the checkpoint",
        temperature=manifest.temperature,
        threshold=manifest.threshold,
        thresholds=dict(manifest.thresholds),
        trained_on=frozenset(source.partition(":")[0] for source in manifest.sources),
    )


def _header(system: System) -> Header:
    settings = {"temperature": system.temperature, "thresholds": dict(system.thresholds)}
    return Header(
        model=system.name,
        version=system.version,
        threshold=system.threshold,
        threshold_rule=system.rule,
        settings=settings,
    )
