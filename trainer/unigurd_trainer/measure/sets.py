"""Evaluation rows: which texts a guard is measured on, under which policy, by the name of the set.

Built sets (see `evalsets`) hold what was kept out of training: ``gip-unseen-policy``, ``gip-unseen-intent``,
``gip-unseen-domain``, ``sdg-unseen``, ``sdg-dev`` and, of its rows, ``sdg-dev/<policy>``, and ``pool-dev/<policy>``.
Benchmarks are the rows of the data folder's ``dev``, as ``dev/<source>``. The sets that calibration may use are cut in
halves: one for calibration, the other for reports. Benchmarks are never used for calibration.

Rows from elsewhere become sets in `row_files` and `hub`.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from unigurd_sdk.errors import ConfigError
from unigurd_sdk.policy import Policy
from unigurd_sdk.registry import PolicyRegistry
from unigurd_sdk.template import Role
from unigurd_trainer.corpus import Corpus
from unigurd_trainer.evalsets import build_evaluation_sets
from unigurd_trainer.leakage import normalised
from unigurd_trainer.readers import DOCUMENT_POLICIES, read_dev
from unigurd_trainer.rows import DevRow, Episode, Example

__all__ = ["BENCHMARKS", "EvaluationSet", "Half", "Provenance", "calibration_sets", "half", "report_sets", "row_set"]

log = logging.getLogger(__name__)

Half = Literal["calibrate", "report"]

BENCHMARKS = "dev"
"""Folder of the benchmarks, and the first part of their sets' names."""

FOCUS = ("safety", "finance", "tax", "prompt-injection", "indirect-injection")
"""Policies whose rows of ``sdg-dev`` are also a set of their own."""

MAX_ROWS = 2000
"""Rows of a built set at most, both halves together."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the rows of a set come from.

    Attributes:
        source: ``data folder``, the name of a file, or a repository of the Hub.
        revision: The commit, or the sha256 (16 hex digits) of the file; empty where the fingerprint has to do.
        split: Which part of the source.
        mapping: How its labels became safe and unsafe.
        held_out: Whether it was kept out of training as a kind: policies, intents or domains that no row trains.
        relatives: Training sources that share texts or corpus with it -> ``train-split`` or ``related``.
        in_score: Whether it counts in the mean over data sets, the paper's "Score".
    """

    source: str = "data folder"
    revision: str = ""
    split: str = ""
    mapping: str = "label"
    held_out: bool = False
    relatives: Mapping[str, str] = field(default_factory=dict)
    in_score: bool = False


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """A named set: policies, and the texts that are judged under each."""

    name: str
    episodes: tuple[Episode, ...]
    provenance: Provenance = Provenance()

    @property
    def rows(self) -> int:
        """How many texts it has."""
        return sum(len(episode.examples) for episode in self.episodes)

    @property
    def fingerprint(self) -> str:
        """Sha256 (16 hex digits) over all that is judged and the labels, in order."""
        digest = hashlib.sha256()
        for episode in self.episodes:
            policy = episode.policy.fingerprint
            for row in episode.examples:
                judged = [policy, row.role, row.prompt, row.text, row.label]
                digest.update(json.dumps(judged).encode())
        return digest.hexdigest()[:16]


def half(text: str, group: str = "") -> Half:
    """Say which half a text belongs to, by the sha256 of its group if it has one, else of its normalised text."""
    digest = hashlib.sha256((group or normalised(text)).encode("utf-8", "surrogatepass")).digest()
    return "calibrate" if digest[0] < 128 else "report"


def calibration_sets(data: Path, side: Half = "calibrate", *, holdout_seed: int = 0) -> list[EvaluationSet]:
    """Return one half of every set that calibration uses: ``sdg-dev`` and ``pool-dev/<policy>``."""
    sets = _built(data, holdout_seed)
    return [_side(each, side) for each in sets if _calibrates(each.name)]


def report_sets(data: Path, names: Sequence[str] | None = None, *, holdout_seed: int = 0) -> list[EvaluationSet]:
    """Return the sets to report, without the rows that calibrate.

    Args:
        data: The data folder; for benchmarks alone it needs only the folder ``dev``.
        names: Sets; "pool-dev" also names all of ``pool-dev/...``. None is all there are.
        holdout_seed: The holdout of the training recipe; another one would measure on texts that trained.

    Raises:
        ConfigError: A name is unknown.
        DataError: Data that a set needs is missing or wrong.
    """
    sets: list[EvaluationSet] = []
    if names is None or any(not _within(name, BENCHMARKS) for name in names):
        sets += [_side(each, "report") if _calibrates(each.name) else each for each in _built(data, holdout_seed)]
        sets = [part for each in sets for part in (each, *_focused(each))]
    if names is None and not (data / BENCHMARKS).exists():
        log.warning("%s has no folder %r: benchmarks are not measured", data, BENCHMARKS)
    elif names is None or any(_within(name, BENCHMARKS) for name in names):
        sets += benchmark_sets(read_dev(data))
    return [each for each in sets if each.rows] if names is None else _chosen(sets, names)


def benchmark_sets(rows: Iterable[DevRow]) -> list[EvaluationSet]:
    """Return benchmark rows by source, each row under the built-in policy that it names; `UnknownPolicy` if none is."""
    registry = PolicyRegistry()
    sources: defaultdict[str, list[DevRow]] = defaultdict(list)
    for row in rows:
        sources[row.source].append(row)
    provenance = Provenance(split=BENCHMARKS)
    return [row_set(f"{BENCHMARKS}/{source}", own, registry, provenance) for source, own in sorted(sources.items())]


def row_set(name: str, rows: Iterable[DevRow], policies: Mapping[str, Policy], provenance: Provenance) -> EvaluationSet:
    """Return rows as a set, each under the policy that it names."""
    by_policy: defaultdict[str, list[Example]] = defaultdict(list)
    for row in rows:
        by_policy[row.policy].append(benchmark_example(row))
    episodes = (Episode(policies[policy], tuple(own), BENCHMARKS) for policy, own in sorted(by_policy.items()))
    return EvaluationSet(name, tuple(episodes), provenance)


def benchmark_example(row: DevRow) -> Example:
    """Return a benchmark row as an example: its response where it has one, else its text."""
    role: Role = "document" if row.policy in DOCUMENT_POLICIES else "user"
    text, prompt = row.text, None
    if row.response is not None:
        role, text, prompt = "assistant", row.response, row.prompt
    return Example(text, row.label, row.source, row.licence, role, prompt, lang=row.lang, category=row.category)


def _built(data: Path, holdout_seed: int) -> list[EvaluationSet]:
    corpus = Corpus.read(data, holdout_seed=holdout_seed)
    built = build_evaluation_sets(corpus, corpus.holdout, max_rows=MAX_ROWS)
    return [EvaluationSet(name, tuple(episodes), _origin(name)) for name, episodes in built.items()]


def _origin(name: str) -> Provenance:
    held_out = name == "sdg-unseen" or name.startswith("gip-")
    split = "test" if name.startswith("gip-") else "held-out policies" if held_out else "dev"
    mapping = "disallowed intent of the policy" if name.startswith("gip-") else "label"
    return Provenance(split=split, mapping=mapping, held_out=held_out)


def _calibrates(name: str) -> bool:
    return name == "sdg-dev" or _within(name, "pool-dev")


def _within(name: str, parent: str) -> bool:
    return name == parent or name.startswith(f"{parent}/")


def _side(whole: EvaluationSet, side: Half) -> EvaluationSet:
    """Keep one half of every episode; episodes without a row of it go."""
    kept = [
        replace(episode, examples=tuple(row for row in episode.examples if half(row.text, row.group) == side))
        for episode in whole.episodes
    ]
    return replace(whole, episodes=tuple(episode for episode in kept if episode.examples))


def _focused(whole: EvaluationSet) -> list[EvaluationSet]:
    if whole.name != "sdg-dev":
        return []
    parts = {name: tuple(e for e in whole.episodes if e.policy.name == name) for name in FOCUS}
    return [
        EvaluationSet(f"sdg-dev/{name}", episodes, whole.provenance) for name, episodes in parts.items() if episodes
    ]


def _chosen(sets: Sequence[EvaluationSet], names: Sequence[str]) -> list[EvaluationSet]:
    unknown = [name for name in names if not any(_within(each.name, name) for each in sets)]
    if unknown:
        known = ", ".join(each.name for each in sets)
        raise ConfigError(f"There is no evaluation set {unknown[0]!r} in this data; there are: {known}.")
    return [each for each in sets if any(_within(each.name, name) for name in names) and each.rows]
