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

from unigurd_sdk.checkpoint import sha256_of
from unigurd_sdk.nn.model import GuardModel
from unigurd_trainer.base import find_base
from unigurd_trainer.batching import SLACK, Collator
from unigurd_trainer.checkpointing import Progress, fit, load_weights, require_recipe
from unigurd_trainer.compose import ComposeSettings
from unigurd_trainer.compute import DEFAULT, Compute
from unigurd_trainer.corpus import Corpus, data_hash
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.evalsets import build_evaluation_sets
from unigurd_trainer.feeding import Feed
from unigurd_trainer.loop import Setup, train
from unigurd_trainer.losses.masking import seed_of
from unigurd_trainer.losses.mlm import MlmHead
from unigurd_trainer.losses.total import layers_of
from unigurd_trainer.mixture import MixtureSettings
from unigurd_trainer.origins import Origin
from unigurd_trainer.recipe import DataRecipe, GipRecipe
from unigurd_trainer.runs import add_totals
from unigurd_trainer.scoring import make_validation
from unigurd_trainer.views import views_of

Observe = Callable[[dict[str, Any]], None]


def run(
    recipe: GipRecipe,
    data: Path,
    out: Path,
    observe: Observe = lambda record: None,
    *,
    compute: Compute = DEFAULT,
    start: Origin | None = None,
) -> dict[str, Any]:
    """Train by the recipe, or resume; returns what is written to `out`/result.json.

    A new run starts from the base encoder or, where given, from the weights of `start`. Before anything is
    written, a folder of another recipe and a start on another base raise `RecipeError`, and unusable data `DataError`.
    Of a team, the lead writes.
    """
    require_recipe(out, recipe.resume_key)
    if start is not None:
        require_base(recipe, start)
    setup = prepare(recipe, data, out, compute, start)
    if compute.team.leads:
        out.mkdir(parents=True, exist_ok=True)
        (out / "recipe.json").write_text(recipe.model_dump_json(indent=1), encoding="utf-8")
    progress = train(setup, observe)
    result = describe(recipe, data, progress) | {"device": setup.device.type, "tokenizer": _tokenizer_hash(recipe)}
    result["processes"] = compute.team.size
    if start is not None:
        totals = add_totals([start.totals, result["progress"]])
        result |= {"started_from": start.sha256, "totals": totals}
    if compute.team.leads:
        (out / "result.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    return result


def require_base(recipe: GipRecipe, start: Origin) -> None:
    """Refuse weights that were trained on another base, even one of the same sizes: its tokens mean something else.

    What counts is the tokenizer, so that a base may move to another folder; a run that did not note it goes by name.
    """
    theirs, ours = start.base, recipe.model.base
    same = theirs == ours if start.tokenizer is None else start.tokenizer == _tokenizer_hash(recipe)
    if not same:
        raise RecipeError(
            f"{start.name} was trained on the base {theirs!r}, and the recipe names {ours!r}, which reads other "
            "tokens. Set model.base to that of the run, or start without --from."
        )


def _tokenizer_hash(recipe: GipRecipe) -> str:
    return sha256_of(find_base(recipe.model.base, recipe.model.revision).tokenizer_file)


def prepare(recipe: GipRecipe, data: Path, out: Path, compute: Compute = DEFAULT, start: Origin | None = None) -> Setup:
    """Read the data and build the model, the batches and the validation of a run."""
    corpus = Corpus.read(
        data, holdout_seed=recipe.data.holdout_seed, exclude=recipe.data.exclude, only=recipe.data.only
    )
    model, collate = build(recipe, slack=compute.slack)
    if start is not None:
        fit(model, start.weights, start.name)
    sets = build_evaluation_sets(corpus, corpus.holdout, recipe.seed, max_rows=recipe.validation_rows)
    mixture = corpus.mixture(seed=recipe.seed, **mixture_settings(recipe.data))
    validate = make_validation(collate, sets, recipe.optim.precision)
    views = views_of(recipe, collate, model.config.encoder.positions)
    feed = Feed(mixture, collate, recipe.episodes, compute.workers, views, compute.parts, compute.team)
    head = build_head(recipe, model, start)
    return Setup(recipe, out, compute.place(model), feed, validate, head)


def mixture_settings(data: DataRecipe) -> dict[str, Any]:
    """Translate the data part of a recipe into the settings of the mixture and of its composer."""
    same = ("texts", "augment", "contexts", "personas", "chat_personas", "slices", "briefs", "chat_share", "documents")
    values = {name: getattr(data, name) for name in same}
    settings = MixtureSettings(shares=data.shares, stranger_share=data.strangers, **values)
    return {
        "settings": settings,
        "compose": ComposeSettings(texts=data.texts, contexts=data.contexts, policies=data.policies),
    }


def build(recipe: GipRecipe, weights: Path | None = None, *, slack: float = SLACK) -> tuple[GuardModel, Collator]:
    """Build the model of a recipe, on its base encoder or with trained weights, and its collator."""
    base, spec = find_base(recipe.model.base, recipe.model.revision), recipe.model
    model = base.model(recipe.seed, **spec.model_dump(exclude={"base", "revision", "freeze_words"}))
    positions = model.config.encoder.positions
    if max(recipe.data.max_text, recipe.data.max_line) > positions:
        raise RecipeError(f"data.max_text and data.max_line must be at most {positions}, the positions of {base.name}")
    if weights is not None:
        load_weights(model, weights)
    sizes = {"max_text": recipe.data.max_text, "max_line": recipe.data.max_line}
    return model, Collator(base.tokenizer(), **sizes, slack=slack)


def build_head(recipe: GipRecipe, model: GuardModel, start: Origin | None = None) -> MlmHead | None:
    """Build the head that finds masked tokens again, if the recipe masks any; a bad loss raises `RecipeError`.

    It starts as the one of `start`, if that has one of the same form.
    """
    if recipe.loss.alice:
        layers_of(model, recipe.loss.perturbation)
    if not recipe.loss.mlm:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("mlm head", recipe.seed))
        words = model.bert.embeddings.word_embeddings.weight
        head = MlmHead(words, transform=recipe.loss.masking.transform)
    if start is not None and start.head_file is not None:
        weights = load_file(start.head_file)
        if weights.keys() == head.state_dict().keys():
            head.load_state_dict(weights)
    return head


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
