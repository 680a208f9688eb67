"""Stage average: runs of one architecture in, the folder of a run with their averaged weights out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from unigurd_sdk.checkpoint import sha256_of
from unigurd_trainer.merge.methods import average
from unigurd_trainer.runs import Run, add_totals

__all__ = ["run"]


def run(runs: Sequence[Run], weights: Sequence[float], out: Path, *, steps_once: bool = False) -> dict[str, Any]:
    """Average the last weights of runs and write them to `out`, which later stages take for a run.

    Recipe, versions and hashes are those of the last run; the totals add up, or with `steps_once` are those of the run
    that saw most: runs that started from one another count their common past once.
    """
    merged = average([load_file(each.latest) for each in runs], weights)
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in merged.items()}, out / "best.safetensors")
    totals = [each.totals for each in runs]
    result = dict(runs[-1].result) | {
        "totals": max(totals, key=lambda each: each["examples"]) if steps_once else add_totals(totals),
        "averaged": [
            {"recipe": each.recipe.name, "weight": weight, "sha256": sha256_of(each.latest)}
            for each, weight in zip(runs, weights, strict=True)
        ],
    }
    result["progress"] = dict(result["progress"]) | {"scores": {}}
    (out / "recipe.json").write_text(runs[-1].recipe.model_dump_json(indent=1), encoding="utf-8")
    (out / "result.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    return result
