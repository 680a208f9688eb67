"""What a merge leaves behind: the folder of a run, or a checkpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from unigurd_sdk.manifest import Manifest
from unigurd_sdk.nn.model import GuardModel
from unigurd_trainer.errors import TrainerError
from unigurd_trainer.export import export
from unigurd_trainer.merge.model import Model
from unigurd_trainer.merge.sources import Source
from unigurd_trainer.precision import Precision
from unigurd_trainer.runs import Run

__all__ = ["total_of", "write_checkpoint", "write_run"]


def write_run(merged: Model, out: Path, last: Run, totals: Mapping[str, float], notes: Mapping[str, Any]) -> Path:
    """Write a folder that later stages take for a run; recipe, versions and hashes are those of `last`.

    Returns the weights file. What `result.json` says of the run is complete only when all is written.
    """
    out.mkdir(parents=True, exist_ok=True)
    fresh, weights = out / "best.safetensors.new", out / "best.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in merged.items()}, fresh)
    (out / "result.json").unlink(missing_ok=True)
    os.replace(fresh, weights)
    result = {**last.result, "totals": dict(totals), **notes}
    result["progress"] = dict(result["progress"]) | {"scores": {}}
    (out / "recipe.json").write_text(last.recipe.model_dump_json(indent=1), encoding="utf-8")
    (out / "result.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    return weights


def write_checkpoint(
    merged: Model, out: Path, top: Source, manifest: Manifest, precision: Precision, notes: Mapping[str, Any]
) -> Path:
    """Export a merged model, built as `top` is, with its tokenizer; returns the weights file."""
    if top.config is None:
        raise TrainerError(f"{top.name} has no classification layer; a checkpoint needs one.")
    with torch.device("meta"):
        model = GuardModel(top.config)
    model.load_state_dict(dict(merged), assign=True)
    written = export(model, top.tokenizer_file, out, manifest, precision)
    (out / "result.json").write_text(json.dumps(dict(notes), indent=1), encoding="utf-8")
    return out / written.weight_file("torch")


def total_of(totals: Sequence[Mapping[str, float]], *, once: bool) -> dict[str, float]:
    """Add up what went into the models, or with `once` take the most: they started from one another."""
    if once:
        return dict(max(totals, key=lambda each: each["examples"]))
    return {key: sum(each[key] for each in totals) for key in totals[0]}
