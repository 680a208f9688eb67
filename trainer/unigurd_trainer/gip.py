"""Stage GIP: data folder and recipe in, trained MultiTaskGuard weights and a result file out."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from unigurd_sdk.nn.model import GuardModel
from unigurd_trainer.base import find_base
from unigurd_trainer.batching import Collator
from unigurd_trainer.checkpointing import Progress, require_recipe
from unigurd_trainer.compose import ComposeSettings
from unigurd_trainer.corpus import Corpus, data_hash
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.evalsets import build_evaluation_sets
from unigurd_trainer.loop import Setup, train
from unigurd_trainer.mixture import MixtureSettings
from unigurd_trainer.recipe import GipRecipe
from unigurd_trainer.scoring import make_validation

Observe = Callable[[dict[str, Any]], None]


def run(recipe: GipRecipe, data: Path, out: Path, observe: Observe = lambda record: None) -> dict[str, Any]:
    """Train by the recipe, or resume; returns what is written to `out`/result.json.

    Before anything is written, a folder of another recipe raises `RecipeError`, and unusable data `DataError`.
    """
    require_recipe(out, recipe.resume_key)
    setup = prepare(recipe, data, out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.json").write_text(recipe.model_dump_json(indent=1), encoding="utf-8")
    progress = train(setup, observe)
    result = describe(recipe, data, progress)
    (out / "result.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    return result


def prepare(recipe: GipRecipe, data: Path, out: Path) -> Setup:
    """Read the data and build the model, the collator and the validation of a run."""
    corpus = Corpus.read(data, holdout_seed=recipe.data.holdout_seed)
    model, collate = build(recipe)
    sets = build_evaluation_sets(corpus, corpus.holdout, recipe.seed, max_rows=recipe.validation_rows)
    settings = MixtureSettings(shares=recipe.data.shares, texts=recipe.data.texts, augment=recipe.data.augment)
    mixture = corpus.mixture(seed=recipe.seed, settings=settings, compose=ComposeSettings(texts=recipe.data.texts))
    validate = make_validation(collate, sets, recipe.optim.precision)
    return Setup(recipe, out, model, collate, mixture, validate)


def build(recipe: GipRecipe, weights: Path | None = None) -> tuple[GuardModel, Collator]:
    """Build the model of a recipe, on its base encoder or with trained weights, and its collator."""
    base, spec = find_base(recipe.model.base, recipe.model.revision), recipe.model
    sizes = spec.model_dump(include={"interaction", "head_size", "policy_blocks", "decision_blocks", "dropout"})
    model = base.model(recipe.seed, **sizes)
    positions = model.config.encoder.max_position_embeddings
    if max(recipe.data.max_text, recipe.data.max_line) > positions:
        raise RecipeError(f"data.max_text and data.max_line must be at most {positions}, the positions of {base.name}")
    if weights is not None:
        model.load_state_dict(load_file(weights))
    return model, Collator(base.tokenizer(), max_text=recipe.data.max_text, max_line=recipe.data.max_line)


def describe(recipe: GipRecipe, data: Path, progress: Progress) -> dict[str, Any]:
    """State what was run: recipe and data hashes, versions, counters and scores."""
    packages = ("torch", "tokenizers", "numpy")
    return {
        "recipe": recipe.name,
        "recipe_hash": recipe.fingerprint,
        "data_hash": data_hash(data),
        "seed": recipe.seed,
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "progress": asdict(progress),
    }
