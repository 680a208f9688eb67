"""Errors of the trainer; all of them are `unigurd_sdk.UnigurdError`.

::

    UnigurdError
    └── TrainerError
        ├── DataError                 .file .line
        ├── LeakageError
        └── RecipeError (ValueError)
"""

from __future__ import annotations

from pathlib import Path

from unigurd_sdk.errors import UnigurdError

__all__ = ["DataError", "LeakageError", "RecipeError", "TrainerError"]


class TrainerError(UnigurdError):
    """Root of everything that the trainer raises on purpose."""


class DataError(TrainerError):
    """A data file or a row of it cannot be used.

    Attributes:
        file: The file, if one is concerned.
        line: The 1-based line in it, if one is concerned.
    """

    def __init__(self, reason: str, *, file: Path | None = None, line: int | None = None) -> None:
        self.file = file
        self.line = line
        where = "" if file is None else f"{file}: " if line is None else f"{file}, line {line}: "
        super().__init__(f"{where}{reason}")


class LeakageError(TrainerError):
    """Data that may only measure was about to train."""


class RecipeError(TrainerError, ValueError):
    """A recipe asks for something that cannot be done."""
