"""The output of `unigurd batch`: one JSON row per input line, in order, so that a killed run can go on.

A row is ``{"line": 7, "unsafe": false, "worst": "tax", "verdicts": {"tax": {...}}}`` or
``{"line": 8, "error": "not JSON: ..."}``. Texts are not copied; `line` leads back to them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from unigurd_sdk.errors import ConfigError


@dataclass(slots=True)
class Tally:
    """How many lines were safe, unsafe and bad."""

    safe: int = 0
    unsafe: int = 0
    bad: int = 0

    @property
    def total(self) -> int:
        """The number of lines counted."""
        return self.safe + self.unsafe + self.bad

    @property
    def exit_code(self) -> int:
        """2 if any line is bad, else 1 if any is unsafe, else 0."""
        return 2 if self.bad else 1 if self.unsafe else 0

    def count(self, row: dict[str, Any]) -> None:
        """Count one output row."""
        if "error" in row:
            self.bad += 1
        elif row["unsafe"]:
            self.unsafe += 1
        else:
            self.safe += 1


class BatchOutput:
    """The output file, open for appending.

    Attributes:
        tally: Over all rows in the file, earlier runs included.
        last: Number of the last input line that has a row; 0 if none has.
        resumed: How many rows an earlier run has left.
    """

    def __init__(self, path: Path, policies: Sequence[str]) -> None:
        """Open `path`, cut off a half-written last row, and count the rows of an earlier run.

        Args:
            path: The file; it is created if it is not there.
            policies: The names of the policies asked for; an earlier run must have used the same.

        Raises:
            ConfigError: The file cannot be written, or is no output of this command and these policies.
        """
        self.tally = Tally()
        self.last = 0
        self._path = path
        self._policies = list(policies)
        try:
            self._file: BinaryIO = path.open("a+b")
        except OSError as error:
            raise ConfigError(f"Cannot write {path}: {error.strerror}.") from error
        self._resume()
        self.resumed = self.tally.total

    def write(self, rows: Iterable[dict[str, Any]]) -> None:
        """Append rows and hand them to the operating system; raise `ConfigError` if it does not take them."""
        rows = list(rows)
        try:
            self._file.write(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
            self._file.flush()
        except OSError as error:
            raise ConfigError(
                f"Cannot write {self._path}: {error.strerror}. Make room and run the same command again."
            ) from error
        for row in rows:
            self._count(row)

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):  # `write` has flushed every row, or has said that it could not
            self._file.close()

    def __enter__(self) -> BatchOutput:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def _resume(self) -> None:
        self._file.seek(0)
        end = 0
        for number, raw in enumerate(self._file, start=1):
            if _half_written(raw):
                break
            self._count(self._checked(raw, number))
            end += len(raw)
        self._file.truncate(end)

    def _checked(self, raw: bytes, number: int) -> dict[str, Any]:
        try:
            row = json.loads(raw)
        except ValueError:
            row = None
        if not _is_row(row) or row["line"] <= self.last:
            raise self._refusal(f"its line {number} is no row of this command")
        if "error" not in row and list(row.get("verdicts", ())) != self._policies:
            raise self._refusal("it holds verdicts on other policies")
        return dict(row)

    def _refusal(self, reason: str) -> ConfigError:
        self.close()
        return ConfigError(f"Cannot continue {self._path}: {reason}. Choose another output file, or delete it.")

    def _count(self, row: dict[str, Any]) -> None:
        self.tally.count(row)
        self.last = row["line"]


def _half_written(raw: bytes) -> bool:
    """Say whether a run was killed while it wrote this: the start of a row without its end."""
    start = b'{"line": '
    return not raw.endswith(b"\n") and (raw.startswith(start) or start.startswith(raw))


def _is_row(row: object) -> bool:
    return isinstance(row, dict) and isinstance(row.get("line"), int) and ("error" in row or "unsafe" in row)
