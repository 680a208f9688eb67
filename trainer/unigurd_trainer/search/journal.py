"""The journal of a search: one line of JSON for each thing that was measured, on disk before the next one begins.

The first line says what is searched: another recipe, other weights or other rows are refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from unigurd_trainer.errors import DataError, RecipeError

__all__ = ["Journal", "read_journal"]

Record = dict[str, Any]


class Journal:
    """A file of records, of a search and of no other."""

    def __init__(self, file: Path, identity: Mapping[str, Any]) -> None:
        """Open or begin a journal; what a kill cut off at its end is dropped.

        Raises:
            RecipeError: It is the journal of another search; the message says what differs.
            DataError: It is no journal.
        """
        self.file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        self.records = _repaired(file) if file.exists() else []
        if not self.records:
            self.add({"kind": "search", **identity})
            return
        _require_same(file, self.records[0], {"kind": "search", **identity})

    def add(self, record: Record) -> Record:
        """Append a record; when this returns, it is on disk. Returns what a reader of the file would see."""
        line = json.dumps(record)
        with self.file.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.records.append(json.loads(line))
        return self.records[-1]

    def of_kind(self, kind: str) -> list[Record]:
        """Records of a kind, in their order."""
        return [record for record in self.records if record["kind"] == kind]


def read_journal(file: Path) -> list[Record]:
    """Read a journal; a last line that a kill cut off is left out. What is none raises `DataError`."""
    return [record for record, _ in _lines(file)]


def _repaired(file: Path) -> list[Record]:
    """Read a journal and cut off what stands behind its last whole line."""
    read = [*_lines(file)]
    size = sum(length for _, length in read)
    if size != file.stat().st_size:
        with file.open("r+b") as stream:
            stream.truncate(size)
            os.fsync(stream.fileno())
    return [record for record, _ in read]


def _lines(file: Path) -> Iterator[tuple[Record, int]]:
    """Yield records, and how many bytes each takes."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error})", file=file) from error
    lines = content.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            record = None
        if isinstance(record, dict) and "kind" in record:
            yield record, len(line)
        elif number < len(lines):
            raise DataError("not a line of a search's journal; remove the file to begin anew", file=file, line=number)


def _require_same(file: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    differing = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
    if differing:
        raise RecipeError(
            f"{file} is the journal of another search; they differ in {', '.join(differing)}. Use another folder."
        )
