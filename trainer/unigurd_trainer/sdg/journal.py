"""The journal of a run: every answer that was paid for, on disk before it is used.

One SQLite file (write-ahead log), one row per request. A run that was killed asks the same questions again and finds
the answers here. The file belongs to one run at a time and to one plan: another policy, model or seed is refused.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from unigurd_trainer.errors import DataError, RecipeError, TrainerError
from unigurd_trainer.http.dialect import Answer
from unigurd_trainer.sdg.prompts import Message

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Journal", "request_key"]

FORMAT = "1"

_TABLES = """
CREATE TABLE IF NOT EXISTS identity (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, kind TEXT NOT NULL, answer TEXT NOT NULL, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) WITHOUT ROWID;
"""


def request_key(model: str, template: str, messages: Sequence[Message], *, count: int, seed: int, attempt: int) -> str:
    """Hash what makes a request to 64 hex digits; the same request is never paid for twice."""
    parts = json.dumps([model, template, list(messages), count, seed, attempt], sort_keys=True)
    return hashlib.sha256(parts.encode("utf-8")).hexdigest()


class Journal:
    """Keeps the answers of one run; use it as a context manager.

    Args:
        path: The file; it and its folder are made if they are missing.
        identity: What the run is: name -> value. A file with another identity is refused.

    Raises:
        RecipeError: The file belongs to another run.
        DataError: The file cannot be opened, or another process is using it.
    """

    def __init__(self, path: Path, identity: Mapping[str, str]) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"the folder cannot be made ({error.strerror})", file=path.parent) from error
        try:
            self._database = sqlite3.connect(path, timeout=0.5, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise _explained(error, path) from error
        try:
            self._prepare({"format": FORMAT, **identity})
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Return the number of answers."""
        return int(self._run("SELECT count(*) FROM answers")[0][0])

    def close(self) -> None:
        """Close the file; another run may use it now."""
        self._database.close()

    def find(self, key: str) -> Answer | None:
        """Return the answer to a request, or None if it was never paid for."""
        rows = self._run("SELECT answer FROM answers WHERE key = ?", key)
        return Answer.from_json(rows[0][0]) if rows else None

    def keep(self, key: str, kind: str, answer: Answer) -> None:
        """Put an answer on disk; it is safe when this returns.

        Raises:
            DataError: The disk is full or fails.
        """
        self._run("INSERT OR REPLACE INTO answers (key, kind, answer) VALUES (?, ?, ?)", key, kind, answer.to_json())

    def _prepare(self, identity: Mapping[str, str]) -> None:
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
            self._run(f"PRAGMA {pragma}")
        self._run("BEGIN IMMEDIATE")  # takes the lock, which stays until the file is closed
        for table in filter(str.strip, _TABLES.split(";")):
            self._run(table)
        found: dict[str, str] = dict(self._run("SELECT name, value FROM identity"))
        if len(self) == 0:  # nothing was paid for yet, so nobody owns it
            found = dict(identity)
            self._run("DELETE FROM identity")
            for name, value in identity.items():
                self._run("INSERT INTO identity VALUES (?, ?)", name, value)
        self._run("COMMIT")
        self._compare(found, identity)

    def _compare(self, found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
        names = sorted(set(found) | set(wanted))
        differs = [name for name in names if found.get(name) != wanted.get(name)]
        if differs:
            shown = "; ".join(f"{name}: {found.get(name)} there, {wanted.get(name)} here" for name in differs)
            raise RecipeError(
                f"The journal {self.path} belongs to another run ({shown}). "
                "Use another folder, or delete the journal if it is not needed any more."
            )

    def _run(self, statement: str, *values: str) -> list[Any]:
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise _explained(error, self.path) from error


def _explained(error: sqlite3.Error, path: Path) -> TrainerError:
    said = str(error)
    if "locked" in said or "busy" in said:
        return DataError("another run is using this journal; wait until it ends, or use another folder", file=path)
    if "full" in said:
        return DataError(
            "the disk is full; free some space and start the same command again, nothing before it is lost", file=path
        )
    if "not a database" in said or "malformed" in said:
        return DataError("this is not a journal, or it is damaged; move it away or use another folder", file=path)
    return DataError(f"the journal cannot be used ({said}); check the folder and its permissions", file=path)
