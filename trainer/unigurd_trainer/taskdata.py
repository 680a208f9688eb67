"""Data of one policy: labelled texts read from JSON Lines, a held-out part, and balanced episodes without end."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from unigurd_sdk.policy import Policy
from unigurd_sdk.template import Role
from unigurd_trainer.augment import augment
from unigurd_trainer.dedup.records import Located, read_records, shards
from unigurd_trainer.errors import DataError
from unigurd_trainer.rows import Episode, Example

__all__ = ["TaskData", "TaskSource", "read_task"]

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
    """Read a JSON Lines file, the files of a folder, or the `train` and `dev` folders of `unigurd-train sdg`.

    A row has `text` and `label` (safe, unsafe, 0 or 1), and may have `role`, `prompt`, `group`, `source`, `licence`,
    `lang` and `split`. Rows with the split ``dev`` measure; if there are none, a fifth of the groups is drawn.

    Raises:
        DataError: A row is not usable (file and line), a class is missing, or there is nothing to read.
    """
    rows = [_example(row) for row in read_records(shards([data]))]
    rows = list({(row.role, row.prompt, row.text): (split, row) for split, row in rows}.values())
    if not any(split == DEV for split, _ in rows):
        rows = [(DEV if _drawn(row, seed) else "train", row) for _, row in rows]
    found = TaskData(*(tuple(row for split, row in rows if (split == DEV) == dev) for dev in (False, True)))
    for name, side in (("train", found.train), ("measure", found.dev)):
        if {row.label for row in side} != {0, 1}:
            raise DataError(
                f"it takes safe and unsafe texts to {name}; of {len(side)} texts all have one label", file=data
            )
    return found


class TaskSource:
    """Episodes of one policy, by number: half safe, half unsafe, each text once an epoch of its class."""

    def __init__(
        self, policy: Policy, rows: Sequence[Example], *, texts: int = 16, change: float = 0.0, seed: int = 0
    ) -> None:
        """Deal `rows`, of both classes, `texts` an episode; a share `change` of the shown texts is changed lightly."""
        self.policy, self.texts, self.change, self.seed = policy, texts, change, seed
        self._rows = {label: [row for row in rows if row.label == label] for label in (0, 1)}
        self._orders: dict[tuple[int, int], list[Example]] = {}

    @property
    def epoch(self) -> int:
        """Episodes until every text of the larger class was shown."""
        return -(-max(map(len, self._rows.values())) // (self.texts // 2))

    def episode(self, index: int) -> Episode:
        """Give the episode of this number."""
        half = self.texts // 2
        rng = random.Random(f"task:{self.seed}:{index}")
        rows = [self._row(label, index * half + at) for label in (0, 1) for at in range(half)]
        shown = [replace(row, text=augment(row.text, rng)) if rng.random() < self.change else row for row in rows]
        return Episode(self.policy, tuple(shown), "conditioned")

    def _row(self, label: int, number: int) -> Example:
        epoch, at = divmod(number, len(self._rows[label]))
        if (label, epoch) not in self._orders:
            order = list(self._rows[label])
            random.Random(f"order:{self.seed}:{label}:{epoch}").shuffle(order)
            self._orders = {key: rows for key, rows in self._orders.items() if key[0] != label}
            self._orders[label, epoch] = order
        return self._orders[label, epoch][at]


def _example(row: Located) -> tuple[str, Example]:
    """Turn a row into (split, example); the split is the row's own, or that of its folder or file."""
    record, named = row.record, (row.file.parent.name, row.file.name.partition("-")[0])
    split = json.loads(row.content).get("split") if b'"split"' in row.content else DEV if DEV in named else ""
    example = Example(
        text=record.text,
        label=record.label,
        source=record.source or row.file.name.partition(".")[0],
        licence=record.licence,
        role=cast(Role, record.role),
        prompt=record.prompt,
        group=record.group,
        lang=record.language or "en",
    )
    return str(split), example


def _drawn(row: Example, seed: int) -> bool:
    """Say whether a row measures, by the hash of its group or text."""
    digest = hashlib.sha256(f"{seed}:{row.group or row.text}".encode("utf-8", "surrogatepass")).digest()
    return digest[0] / 256 < DEV_SHARE
