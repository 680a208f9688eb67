"""Stage merge: a recipe in; the folder of a run, or a checkpoint, out. The same inputs give the same bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unigurd_sdk.checkpoint import sha256_of
from unigurd_sdk.manifest import Manifest
from unigurd_trainer.errors import TrainerError
from unigurd_trainer.merge.ingredients import Ingredients, Rest
from unigurd_trainer.merge.merger import Merger
from unigurd_trainer.merge.model import Model, digest
from unigurd_trainer.merge.recipe import MergeRecipe
from unigurd_trainer.merge.sources import Source, find_source, require_compatible
from unigurd_trainer.merge.writing import total_of, write_checkpoint, write_run
from unigurd_trainer.recipe import recipe_hash

__all__ = ["Gathered", "gather", "run"]


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a recipe names, found and checked.

    Attributes:
        sources: The candidates.
        bases: What they started from, by name; the anchor among them.
        ingredients: All of them as what can be merged.
        top: The best candidate.
    """

    sources: tuple[Source, ...]
    bases: Mapping[str, Source]
    ingredients: Ingredients
    top: Source


def run(recipe: MergeRecipe, out: Path) -> dict[str, Any]:
    """Merge by a recipe; returns what `out`/result.json says of it.

    If all candidates are runs, `out` is a folder that later stages take for a run, otherwise a checkpoint, with the
    temperature and threshold of the best candidate: calibrate it. Nothing is written before all has been merged.

    Raises:
        RecipeError: The recipe asks for something that cannot be done.
        TrainerError: Models cannot be merged, or input or outcome is not what the recipe says.
    """
    method, weights = recipe.build_method(), recipe.weights
    gathered = gather(recipe)
    merged = dict(Merger(gathered.ingredients, method).merge(weights, recipe.merge_type))
    outcome = digest(merged)
    if recipe.expect not in (None, outcome):
        raise TrainerError(f"The merge gives {outcome}, and the recipe expects {recipe.expect}. Nothing was written.")
    notes = {"merged": _described(recipe, gathered, weights) | {"sha256": outcome}}
    file = _write(recipe, gathered, merged, notes, out)
    return notes["merged"] | {"file": file.name, "file_sha256": sha256_of(file)}


def gather(recipe: MergeRecipe, *, hold: bool = False) -> Gathered:
    """Find the models of a recipe, and check that they can be merged; raises as `run` does.

    With `hold` the candidates are read into memory, for many merges; else each tensor is read whenever it is needed.
    """
    sources = tuple(find_source(candidate.path, candidate.take) for candidate in recipe.candidates)
    for candidate, source in zip(recipe.candidates, sources, strict=True):
        if candidate.sha256 not in (None, source.sha256):
            raise TrainerError(f"{source.name} has the sha256 {source.sha256}, and the recipe says {candidate.sha256}.")
    names = recipe.bases(needed=recipe.build_method().needs_base or recipe.rest_from == "base")
    bases = {} if names is None else {name: find_source(name) for name in (*names[0], names[1])}
    require_compatible([*sources, *bases.values()])
    rest: Rest = recipe.top if recipe.rest_from == "top" else recipe.rest_from
    ingredients = Ingredients.of(
        [dict(source.model) if hold else source.model for source in sources],
        None if names is None else [bases[name].model for name in names[0]],
        anchor=None if names is None else bases[names[1]].model,
        rest_from=rest,
        ids=[source.sha256 for source in sources],
    )
    return Gathered(sources, bases, ingredients, sources[recipe.top])


def _described(recipe: MergeRecipe, gathered: Gathered, weights: Sequence[float]) -> dict[str, Any]:
    """Say what was merged."""
    pairs = zip(gathered.sources, weights, strict=True)
    return {
        "recipe": recipe.model_dump(mode="json", exclude_defaults=True),
        "recipe_hash": recipe.fingerprint,
        "candidates": [{"name": each.name, "weight": weight, "sha256": each.sha256} for each, weight in pairs],
        "bases": {name: source.sha256 for name, source in gathered.bases.items()},
        "versions": {package: version(package) for package in ("torch", "numpy")},
    }


def _write(recipe: MergeRecipe, gathered: Gathered, merged: Model, notes: Mapping[str, Any], out: Path) -> Path:
    runs = [source.run for source in gathered.sources if source.run is not None]
    if len(runs) == len(gathered.sources) and gathered.top.run is not None:
        totals = total_of([each.totals for each in runs], once=recipe.chain)
        return write_run(merged, out, gathered.top.run, totals, notes)
    manifest, top = _manifest(recipe, gathered), gathered.top
    return write_checkpoint(merged, out, top, manifest, recipe.precision, notes)


def _manifest(recipe: MergeRecipe, gathered: Gathered) -> Manifest:
    """What the merged checkpoint says of itself: measures and thresholds of the candidates are not its own."""
    manifests = [source.manifest() for source in gathered.sources]
    totals = total_of(
        [{"examples": each.examples_seen, "seconds": each.trained_seconds} for each in manifests], once=recipe.chain
    )
    return gathered.top.manifest().model_copy(
        update={
            "name": recipe.name,
            "sources": tuple(sorted({source for each in manifests for source in each.sources})),
            "thresholds": {},
            "scores": {},
            "files": {},
            "recipe_hash": recipe.fingerprint,
            "data_hash": recipe_hash({"data": sorted({each.data_hash for each in manifests})}),
            "seed": None,
            "trained_seconds": totals["seconds"],
            "examples_seen": int(totals["examples"]),
        }
    )
