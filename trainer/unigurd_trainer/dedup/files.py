"""De-duplication of JSON Lines and Parquet files: read once or twice, written shard by shard, rows untouched.

`run` writes the kept rows of every shard to a file of the same name, and beside them `dedup/dropped.jsonl` (what was
dropped, by which tier, for which row), `dedup/review.jsonl` (pairs of kept rows of different labels that are alike)
and `dedup/counts.json`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from unigurd_sdk.errors import ConfigError
from unigurd_trainer.dedup.entry import Entry
from unigurd_trainer.dedup.pipeline import Drop, Options, Outcome, deduplicate
from unigurd_trainer.dedup.records import PARTS, Located, read_records, shards
from unigurd_trainer.row_files import SUFFIXES, copier
from unigurd_trainer.sdg.embedding import Embedder
from unigurd_trainer.sdg.samples import LABELS

__all__ = ["Entries", "run"]

_NOTES = "dedup"


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries of files; may be iterated over as often as needed."""

    files: Sequence[Path]

    def __iter__(self) -> Iterator[Entry]:
        return (located.entry() for located in read_records(self.files))


def run(
    places: Iterable[Path], out: Path, *, embedder: Embedder | None = None, options: Options | None = None
) -> Outcome:
    """De-duplicate the JSON Lines and Parquet files at `places` into the folder `out`.

    Raises:
        ConfigError: `out` would overwrite the data, or two shards have one name.
        DataError: A row is not a labelled text, or there is no data.
        MissingExtra: The extra `sdg` is not installed.
    """
    files = shards(places)
    targets = _targets(files, out)
    outcome = deduplicate(Entries(files), embedder=embedder, options=options)
    (out / _NOTES).mkdir(parents=True, exist_ok=True)
    reviewed = _write(files, targets, outcome, out / _NOTES / "dropped.jsonl")
    with (out / _NOTES / "review.jsonl").open("w", encoding="utf-8") as notes:
        notes.writelines(_line(line) for line in _reviews(outcome, reviewed))
    counts = {"counts": outcome.counts, "options": asdict(options or Options()), "semantic": embedder is not None}
    (out / _NOTES / "counts.json").write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
    return outcome


def _targets(files: Sequence[Path], out: Path) -> dict[Path, Path]:
    if out.name.endswith(SUFFIXES) or out.is_file():
        raise ConfigError(f"{out} must be a folder; each shard is written into it under its own name.")
    targets = {file: _target(file, out) for file in files}
    if len(set(targets.values())) < len(files):
        raise ConfigError("Two of the files have the same name; de-duplicate them from one folder, or rename one.")
    if {file.resolve() for file in files} & {target.resolve() for target in targets.values()}:
        raise ConfigError(f"{out} holds the data itself; name another folder, so that nothing is overwritten.")
    return targets


def _target(file: Path, out: Path) -> Path:
    """Say where a shard goes; the parts of a data set stay apart."""
    folder = out / file.parent.name if file.parent.name in PARTS else out
    return folder / file.name.removesuffix(".gz")


def _write(files: Sequence[Path], targets: dict[Path, Path], outcome: Outcome, notes: Path) -> dict[int, Located]:
    """Write the kept rows and the notes of the dropped; return the rows that reviews speak of."""
    keeps, drops = outcome.keeps, outcome.drops()
    wanted = {number for review in outcome.reviews for number in review.rows}
    reviewed: dict[int, Located] = {}
    numbers = itertools.count()
    with notes.open("w", encoding="utf-8") as dropped:
        for file in files:
            targets[file].parent.mkdir(exist_ok=True)
            with copier(file, targets[file]) as copy:
                for located, number in zip(read_records([file]), numbers, strict=False):
                    if number in wanted:
                        reviewed[number] = located
                    if keeps[number]:
                        copy(located.row)
                    else:
                        dropped.write(_line(_note(next(drops), located)))
    return reviewed


def _note(drop: Drop, located: Located) -> dict[str, object]:
    return {"id": drop.id, "tier": drop.tier, "kept": drop.kept, "file": located.file.name, "line": located.line}


def _reviews(outcome: Outcome, rows: dict[int, Located]) -> Iterator[dict[str, object]]:
    for review in outcome.reviews:
        sides = [_side(rows[row]) for row in review.rows]
        yield {"tier": review.tier, "similarity": review.similarity, "rows": sides}


def _side(located: Located) -> dict[str, object]:
    record = located.record
    place = {"file": located.file.name, "line": located.line}
    return {"id": record.id, "label": LABELS[record.label], "text": record.text, "policy": record.policy, **place}


def _line(values: dict[str, object]) -> str:
    return json.dumps(values) + "\n"
