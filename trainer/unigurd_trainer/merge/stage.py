"""Stage average: runs of one architecture in, the folder of a run with their averaged weights out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unigurd_sdk.checkpoint import sha256_of
from unigurd_trainer.merge.methods import Stored, average
from unigurd_trainer.merge.writing import total_of, write_run
from unigurd_trainer.runs import Run

__all__ = ["run"]


def run(runs: Sequence[Run], weights: Sequence[float], out: Path, *, steps_once: bool = False) -> dict[str, Any]:
    """Average the last weights of runs and write them to `out`, which later stages take for a run.

    Recipe, versions and hashes are those of the last run; the totals add up, or with `steps_once` are those of the run
    that saw most: runs that started from one another count their common past once.
    """
    merged = average([Stored(each.latest) for each in runs], weights)
    averaged = [
        {"recipe": each.recipe.name, "weight": weight, "sha256": sha256_of(each.latest)}
        for each, weight in zip(runs, weights, strict=True)
    ]
    totals = total_of([each.totals for each in runs], once=steps_once)
    write_run(merged, out, runs[-1], totals, {"averaged": averaged})
    return dict(Run.open(out).result)
