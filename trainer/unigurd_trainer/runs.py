"""Runs: the folder that training leaves behind, as what later stages start from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from unigurd_trainer.errors import DataError
from unigurd_trainer.precision import Weights
from unigurd_trainer.recipe import GipRecipe

__all__ = ["TOTALS", "Run", "add_totals"]

TOTALS = ("examples", "tokens", "seconds", "cpu_seconds")
"""Counters of a run that add up along a chain of runs."""

_WEIGHTS: Mapping[Weights, str] = {"best": "best.safetensors", "last": "state/model.safetensors"}


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its recipe, its result, and its weights."""

    folder: Path
    recipe: GipRecipe
    result: Mapping[str, Any]

    @classmethod
    def open(cls, folder: Path) -> Run:
        """Read a folder; one that no finished run left raises `DataError` that names the file."""
        path = folder / "recipe.json"
        try:
            recipe = GipRecipe.model_validate_json(path.read_bytes())
            path = folder / "result.json"
            return cls(folder, recipe, dict(json.loads(path.read_bytes())))
        except (OSError, ValueError, ValidationError) as error:
            raise DataError(f"not left by a finished `unigurd-train gip` ({error})", file=path) from error

    def weights(self, which: Weights) -> Path:
        """File of the weights of the best validation, or of the last step."""
        return self.folder / _WEIGHTS[which]

    @property
    def latest(self) -> Path:
        """File of the last weights; of the only ones, where weights were averaged."""
        last = self.weights("last")
        return last if last.is_file() else self.weights("best")

    @property
    def totals(self) -> dict[str, float]:
        """What went into the weights, runs that came before included: examples, tokens, wall and CPU seconds."""
        counted = self.result.get("totals") or self.result["progress"]
        return {name: counted[name] for name in TOTALS}


def add_totals(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Add totals up."""
    return {name: sum(part[name] for part in parts) for name in TOTALS}
