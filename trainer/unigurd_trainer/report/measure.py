"""Measures a data set: everything that the report, the card and the terminal show.

Counts and duplicates are of all rows. What needs an embedding or a model is of a random sample of at most `most` rows.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unigurd_sdk.errors import ConfigError
from unigurd_trainer.dedup.files import Entries
from unigurd_trainer.dedup.pipeline import Options, deduplicate
from unigurd_trainer.dedup.records import Located, Record, read_records, shards
from unigurd_trainer.dedup.semantic import Vectors, checked
from unigurd_trainer.errors import DataError
from unigurd_trainer.metrics import Scores
from unigurd_trainer.report.excerpt import excerpt
from unigurd_trainer.report.nearest import nearest_across
from unigurd_trainer.report.noise import Noise, measure_noise
from unigurd_trainer.report.shortcut import Shortcut, measure_shortcut
from unigurd_trainer.report.tally import FIELDS, Lengths, Split, Tally
from unigurd_trainer.sdg.embedding import Embedder

__all__ = ["MOST", "Report", "Scorer", "Shown", "measure"]

MOST = 5_000
SHOWN = 20

Scorer = Callable[[Sequence[Record]], Scores]
"""Scores N records: [N] probabilities of a violation, NaN where there is none."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A row that the report points at."""

    file: str
    line: int
    label: int
    policy: str
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured.

    Attributes:
        files: Names of the files.
        safe, unsafe: Rows of each label.
        flipped: Rows whose label self-reflection turned.
        tables: For each field that rows state, the values and how often each occurs.
        lengths: Words of the safe and of the unsafe texts.
        duplicates: All rows through the exact and the lexical tier: rows, kept, dropped by each, pairs to review.
        sampled: Rows of the sample, which the rest is about.
        sample_duplicates: The sample through all tiers; None without an embedder.
        shortcut: Whether the label can be told without the policy.
        noise: Whether labels look wrong; None without an embedder or with too few rows.
        suspects: The most suspect rows, and the probability of the other label.
        nearest: The nearest pairs of different labels, and their cosine.
    """

    files: tuple[str, ...]
    safe: int
    unsafe: int
    flipped: int
    tables: dict[str, tuple[Split, ...]]
    lengths: tuple[Lengths, Lengths]
    duplicates: dict[str, int]
    sampled: int
    sample_duplicates: dict[str, int] | None
    shortcut: Shortcut
    noise: Noise | None
    suspects: tuple[tuple[Shown, float], ...]
    nearest: tuple[tuple[Shown, Shown, float], ...]

    @property
    def rows(self) -> int:
        """Rows of both labels."""
        return self.safe + self.unsafe

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def measure(
    places: Iterable[Path],
    *,
    embedder: Embedder | None = None,
    scorer: Scorer | None = None,
    options: Options | None = None,
    most: int = MOST,
    seed: int = 0,
) -> Report:
    """Measure the JSON Lines and Parquet files at `places`.

    Args:
        places: Files and folders.
        embedder: Without one there are no semantic duplicates, no noise estimate and no nearest pairs.
        scorer: A trained guard, see `guarding.guard_scores`.
        options: When rows are duplicates.
        most: Rows of the sample.
        seed: Of the sample.

    Raises:
        DataError: A row is not a labelled text, or there is none.
        MissingExtra: The extra `sdg` is not installed.
    """
    if most < 1:
        raise ConfigError(f"most must be at least 1, not {most}.")
    files = shards(places)
    tally, sample = _read(files, most, seed)
    records = [located.record for located in sample]
    vectors = None if embedder is None else checked(embedder.embed([record.whole for record in records]))
    noise = None if vectors is None else _noise(records, vectors, scorer)
    return Report(
        files=tuple(file.name for file in files),
        safe=tally.labels[0],
        unsafe=tally.labels[1],
        flipped=tally.flipped,
        tables={name: table for name in FIELDS if (table := tally.table(name))},
        lengths=(tally.lengths(0), tally.lengths(1)),
        duplicates=deduplicate(Entries(files), options=options).counts,
        sampled=len(sample),
        sample_duplicates=None if vectors is None else _duplicates(sample, vectors, options),
        shortcut=measure_shortcut(records),
        noise=noise,
        suspects=tuple((_shown(sample[row]), other) for row, other in (noise.rows[:SHOWN] if noise else ())),
        nearest=() if vectors is None else _nearest(sample, vectors),
    )


def _read(files: Sequence[Path], most: int, seed: int) -> tuple[Tally, list[Located]]:
    """Count all rows and draw a sample of them, in the order of the files (Vitter's algorithm R)."""
    tally, rng = Tally(), random.Random(seed)
    sample: list[tuple[int, Located]] = []
    for number, located in enumerate(read_records(files)):
        tally.add(located.record)
        if number < most:
            sample.append((number, located))
        elif (place := rng.randrange(number + 1)) < most:
            sample[place] = number, located
    if not sample:
        raise DataError("the files hold no row; there is nothing to measure", file=files[0])
    return tally, [located for _, located in sorted(sample, key=lambda drawn: drawn[0])]


def _noise(records: Sequence[Record], vectors: Vectors, scorer: Scorer | None) -> Noise | None:
    labels = np.array([record.label for record in records], np.int64)
    groups = [record.group or record.id for record in records]
    return measure_noise(labels, groups, vectors, None if scorer is None else scorer(records))


def _duplicates(sample: Sequence[Located], vectors: Vectors, options: Options | None) -> dict[str, int]:
    entries = [located.entry() for located in sample]
    known = _Known({entry.text: vector for entry, vector in zip(entries, vectors, strict=True)})
    return deduplicate(entries, embedder=known, options=options).counts


def _nearest(sample: Sequence[Located], vectors: Vectors) -> tuple[tuple[Shown, Shown, float], ...]:
    pairs = nearest_across([located.record for located in sample], vectors, SHOWN)
    return tuple((_shown(sample[pair.safe]), _shown(sample[pair.unsafe]), pair.cosine) for pair in pairs)


def _shown(located: Located) -> Shown:
    record = located.record
    return Shown(located.file.name, located.line, record.label, record.policy, excerpt(record.whole))


@dataclass(frozen=True, slots=True)
class _Known:
    """An embedder of texts whose vectors are known."""

    vectors: dict[str, Vectors]

    def embed(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self.vectors[text] for text in texts])
