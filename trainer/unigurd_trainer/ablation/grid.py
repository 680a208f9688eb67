"""Grids: every combination once, each finished one a line of a file, so that a killed grid goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from unigurd_trainer.loop import Log, read_log

__all__ = ["Cell", "fill", "read"]

Cell = Mapping[str, Any]
"""What tells one run of a grid from the others, and once it is finished, what it measured."""


def fill(cells: Iterable[Cell], measure: Callable[[Cell], Mapping[str, Any]], out: Path) -> int:
    """Measure the cells that `out` (JSON Lines) does not have yet and append each; returns how many were missing."""
    log = Log(out, lambda row: None)
    done = {_key(row["cell"]) for row in read(out)}
    missing = [cell for cell in cells if _key(cell) not in done]
    for cell in missing:
        log.record({"cell": dict(cell), "measured": dict(measure(cell))})
    return len(missing)


def read(out: Path) -> list[dict[str, Any]]:
    """Read the finished cells; a line that a kill cut off is left out."""
    return [row for row in read_log(out) if "measured" in row] if out.exists() else []


def _key(cell: Cell) -> str:
    return json.dumps(cell, sort_keys=True)
