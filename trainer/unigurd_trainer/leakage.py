"""Leakage: keeps what only measures out of training, by type, by name and by match of normalised text."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from unigurd_trainer.errors import LeakageError
from unigurd_trainer.rows import DevRow, TrainRow

__all__ = ["LeakageReport", "Sourced", "assert_trainable", "check_leakage", "is_test_split", "normalised"]


class Sourced(Protocol):
    """Anything with a text and the name of where it came from, such as `Example` and every row."""

    @property
    def text(self) -> str:
        """The text."""

    @property
    def source(self) -> str:
        """The data set."""


@dataclass(frozen=True, slots=True)
class LeakageReport:
    """What training shares with evaluation.

    Attributes:
        rows: The training rows whose text also stands in an evaluation set.
        by_source: How many of them each training source has.
    """

    rows: tuple[Sourced, ...]
    by_source: dict[str, int]

    def __bool__(self) -> bool:
        return bool(self.rows)

    def raise_if_any(self) -> None:
        """Raise `LeakageError` with the counts if there is any leakage."""
        if self.rows:
            counts = ", ".join(f"{source}: {count}" for source, count in self.by_source.items())
            raise LeakageError(f"{len(self.rows)} training texts are also evaluation texts ({counts}); remove them.")


def normalised(text: str) -> str:
    """Return the text in NFKC, case-folded, with single spaces: two texts that agree in this are the same."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def check_leakage(train: Iterable[Sourced], evaluation: Iterable[Sourced]) -> LeakageReport:
    """Return the training rows whose normalised text occurs among the evaluation rows."""
    held_out = {normalised(row.text) for row in evaluation}
    rows = tuple(row for row in train if normalised(row.text) in held_out)
    return LeakageReport(rows, dict(sorted(Counter(row.source for row in rows).items())))


def is_test_split(split: str) -> bool:
    """Say whether a split is an official test split: ``test`` or ``test-...``."""
    return split.partition("-")[0].casefold() == "test"


def assert_trainable(data: TrainRow | DevRow | Path) -> None:
    """Raise `LeakageError` for a row or a file that may only measure.

    These are development rows, rows of a split named test, custom policies held out as unseen, files under a
    folder named ``dev`` or ``test``, and files whose name has the word test in it.
    """
    if isinstance(data, Path):
        _assert_path(data)
    elif isinstance(data, DevRow):
        raise LeakageError(f"A row of the development benchmark {data.source!r} may not train; use it to measure.")
    elif is_test_split(data.split):
        raise LeakageError(f"A row of the {data.split!r} split of {data.source!r} may not train; use it to measure.")
    elif getattr(data, "policy_split", "seen") == "unseen":
        raise LeakageError(f"A row of {data.source!r} belongs to a policy held out as unseen; use it to measure.")


def _assert_path(path: Path) -> None:
    if "dev" in (path.name, path.parent.name):
        raise LeakageError(f"{path} is a development benchmark and may not train; point the recipe elsewhere.")
    words = re.split(r"[^a-z]+", path.name.casefold())
    if "test" in words or path.parent.name.casefold() == "test":
        raise LeakageError(f"{path} is a test split by its name and may not train; point the recipe at a train split.")
