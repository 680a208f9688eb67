"""Shards: rows streamed to files of fixed length, each complete or absent, in constant memory.

A shard is written to a temporary file, flushed to the disk and then renamed, and `index.json` is replaced after it,
so a kill at any moment loses at most the rows that are still in the buffer. Opening the same folder again goes on
after the last shard that the index names.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from unigurd_trainer.errors import DataError, TrainerError
from unigurd_trainer.row_files import encoder

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["INDEX", "Shard", "ShardWriter", "make_folder", "read_index", "replace_file", "shard_paths"]

INDEX = "index.json"


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of rows: its name, how many rows it has, their bytes, and SHA-256."""

    file: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Index:
    """What a folder of shards holds, and whatever its writer needs to go on (`state`)."""

    shards: tuple[Shard, ...] = ()
    state: Mapping[str, Any] | None = None

    @property
    def rows(self) -> int:
        """Rows of all shards together."""
        return sum(shard.rows for shard in self.shards)


class ShardWriter:
    """Writes records to a folder; a context manager, whose end writes the last, shorter shard.

    Args:
        folder: Where the shards and the index go; it is created.
        form: ``jsonl`` or ``parquet`` (which needs pyarrow).
        rows_per_shard: Rows of a shard; the buffer holds at most as many.

    Raises:
        DataError: The index in the folder cannot be read.
        MissingExtra: Parquet is asked for without pyarrow.
    """

    def __init__(self, folder: Path, *, form: str = "jsonl", rows_per_shard: int = 5000) -> None:
        self._encode = encoder(form)
        self._folder, self._form, self._size = folder, form, rows_per_shard
        self._buffer: list[Mapping[str, Any]] = []
        self._broken = False
        self.index = read_index(folder)
        self.state: dict[str, Any] = dict(self.index.state or {})
        make_folder(folder)
        self._remove_unknown()

    def write(self, record: Mapping[str, Any]) -> None:
        """Take a record; every `rows_per_shard` of them become a shard. TrainerError if the disk is full."""
        self._buffer.append(record)
        if len(self._buffer) >= self._size:
            self.flush()

    def flush(self) -> None:
        """Write what is in the buffer as a shard, and the index after it."""
        self._broken = True  # until it is written; what could not be is not tried again at the end
        if self._buffer:
            name = f"shard-{len(self.index.shards):05d}.{self._form}"
            content = self._encode(self._buffer)
            replace_file(self._folder / name, content)
            shard = Shard(name, len(self._buffer), len(content), hashlib.sha256(content).hexdigest())
            self.index = Index((*self.index.shards, shard))
            self._buffer = []
        document = {"rows": self.index.rows, "shards": [asdict(shard) for shard in self.index.shards]}
        replace_file(self._folder / INDEX, json.dumps(document | {"state": self.state}, indent=1).encode())
        self._broken = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._broken:
            self.flush()

    def _remove_unknown(self) -> None:
        """Delete shards that were written but not indexed; their rows come again."""
        known = {shard.file for shard in self.index.shards}
        for path in self._folder.glob("*shard-*"):
            if path.name not in known:
                path.unlink()


def read_index(folder: Path) -> Index:
    """Read the index of a folder; an empty one if there is none, DataError if it is damaged."""
    path = folder / INDEX
    if not path.exists():
        return Index()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Index(tuple(Shard(**shard) for shard in document["shards"]), document.get("state") or {})
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"the index is damaged ({error!r}); delete the folder and run again", file=path) from error


def shard_paths(folder: Path) -> tuple[Path, ...]:
    """Return the shards that the index names, in order."""
    return tuple(folder / shard.file for shard in read_index(folder).shards)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and to the disk before it gets its name; TrainerError if it cannot be."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise TrainerError(
            f"{path} cannot be written ({error.strerror}). What was written before is complete; "
            "make room, or choose another folder, and run the same command again to go on."
        ) from error


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; TrainerError if that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainerError(f"The folder {folder} cannot be made ({error.strerror}); choose another one.") from error
