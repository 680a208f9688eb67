"""Data of one policy: labelled texts read from files, and which of them are held out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from unigurd_sdk.template import Role
from unigurd_trainer.dedup.records import Located, read_records, shards
from unigurd_trainer.errors import DataError
from unigurd_trainer.rows import Example

__all__ = ["TaskData", "read_task"]

DEV, DEV_SHARE = "dev", 0.2


@dataclass(frozen=True, slots=True)
class TaskData:
    """Texts that train and texts that measure; none stands, and no group is, on both sides."""

    train: tuple[Example, ...]
    dev: tuple[Example, ...]

    @property
    def fingerprint(self) -> str:
        """Sha256 (16 hex digits) of texts, labels and sides."""
        rows = [[(row.text, row.label, row.role, row.prompt) for row in side] for side in (self.train, self.dev)]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def read_task(data: Path, *, seed: int = 0) -> TaskData:
    """Read a file (JSON Lines or Parquet), those of a folder, or the `train` and `dev` folders of `unigurd-train sdg`.

    A row has `text` and `label` (safe, unsafe, 0 or 1), and may have `role`, `prompt`, `group`, `source`, `licence`,
    `lang` and `split`. Rows with the split ``dev`` measure; if there are none, a fifth of the groups is drawn.

    Raises:
        DataError: A row is not usable (file and line), a class is missing, or there is nothing to read.
    """
    rows = [_example(row) for row in read_records(shards([data]))]
    rows = list({(row.role, row.prompt, row.text): (split, row) for split, row in rows}.values())
    if not any(split == DEV for split, _ in rows):
        held_out = _draw([row for _, row in rows], seed)
        rows = [(DEV if _unit(row) in held_out else "train", row) for _, row in rows]
    found = TaskData(*(tuple(row for split, row in rows if (split == DEV) == dev) for dev in (False, True)))
    for name, side in (("train", found.train), ("measure", found.dev)):
        if {row.label for row in side} != {0, 1}:
            raise DataError(
                f"it takes safe and unsafe texts to {name}; of {len(side)} texts all have one label", file=data
            )
    return found


def _example(located: Located) -> tuple[str, Example]:
    """Turn a row into (split, example); the split is the row's own, or that of its folder or file."""
    record, file = located.record, located.file
    named = (file.parent.name, file.name.partition("-")[0])
    split = located.row.values.get("split") or (DEV if DEV in named else "")
    example = Example(
        text=record.text,
        label=record.label,
        source=record.source or file.name.partition(".")[0],
        licence=record.licence,
        role=cast(Role, record.role),
        prompt=record.prompt,
        group=record.group,
        lang=record.language or "en",
    )
    return str(split), example


def _draw(rows: Sequence[Example], seed: int) -> set[str]:
    """Draw groups that measure, by their hashes: about a fifth of them, but some and not all of those with a label."""
    order = sorted({_unit(row) for row in rows}, key=lambda unit: _hash(unit, seed))
    drawn = {unit for unit in order if _hash(unit, seed)[0] / 256 < DEV_SHARE}
    for label in sorted({row.label for row in rows}):
        having = {_unit(row) for row in rows if row.label == label}
        with_label = [unit for unit in order if unit in having]
        drawn.update(with_label[:1])
        drawn.discard(with_label[-1])
    return drawn


def _unit(row: Example) -> str:
    """What stays on one side: the group of a row, or its text."""
    return row.group or row.text


def _hash(unit: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{unit}".encode("utf-8", "surrogatepass")).digest()
