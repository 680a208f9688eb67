"""Stage finetune: a checkpoint and the data of one policy in, a TaskGuard checkpoint out (paper, section 3.3).

Training starts from the weights that ship: those of the encoder are int8 with a scale a row, and fine-tuning learns
over the rounding. The best epoch by AUC on the held-out texts is exported, and calibrated on them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field
from safetensors.torch import load_file

from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.nn.model import GuardModel
from unigurd_sdk.policy import Policy
from unigurd_sdk.runtime.torch import load_model
from unigurd_sdk.tokenizer import GuardTokenizer
from unigurd_trainer.batching import Collator
from unigurd_trainer.checkpointing import Progress, require_recipe
from unigurd_trainer.compute import DEFAULT, Compute
from unigurd_trainer.export import export
from unigurd_trainer.feeding import Feed
from unigurd_trainer.loop import Setup, train
from unigurd_trainer.measure.calibrate import fit_temperature, fit_threshold
from unigurd_trainer.metrics import auc, f1
from unigurd_trainer.precision import Precision
from unigurd_trainer.recipe import DataRecipe, GipRecipe, OptimRecipe, Strict
from unigurd_trainer.rows import Episode
from unigurd_trainer.scoring import Scored, score_episodes
from unigurd_trainer.taskdata import TaskData, TaskSource

__all__ = ["TaskRecipe", "run"]

Observe = Callable[[dict[str, Any]], None]

LEAST_ROWS = 100
"""Held-out texts below which the checkpoint's own temperature stays."""


class TaskRecipe(Strict):
    """How a TaskGuard is trained.

    `mode` is ``full`` (FFT) or ``head`` (CFT: the encoder is frozen). Texts over `max_text` tokens are cut in training,
    never in a check; an encoder with fewer positions cuts there.
    """

    mode: Literal["full", "head"] = "full"
    epochs: int = Field(default=8, gt=0)
    patience: int = Field(default=2, ge=0, description="epochs without a better score before stopping; 0 never stops")
    seed: int = 0
    episodes: int = Field(default=2, gt=0, description="episodes of `texts` texts a step")
    texts: int = Field(default=16, gt=1, multiple_of=2)
    max_text: int = Field(default=256, ge=16)
    encoder_lr: float = Field(default=5e-5, gt=0)
    head_lr: float = Field(default=3e-4, gt=0)
    smoothing: float = Field(default=0.02, ge=0, lt=0.5)
    augment: float = Field(default=0.1, ge=0, le=1)
    precision: Literal["bf16", "fp32"] = "bf16"

    def loop(self, name: str, epoch: int, max_line: int) -> GipRecipe:
        """The settings of the training loop, for epochs of `epoch` steps."""
        return GipRecipe(
            name=name,
            seed=self.seed,
            steps=epoch * self.epochs,
            episodes=self.episodes,
            validate_every=epoch,
            patience=self.patience,
            data=DataRecipe(texts=self.texts, max_text=self.max_text, max_line=max_line, augment=self.augment),
            optim=OptimRecipe(
                encoder_lr=self.encoder_lr,
                head_lr=self.head_lr,
                line_loss=0.0,
                smoothing=self.smoothing,
                precision=self.precision,
            ),
        )


def run(
    policy: Policy,
    data: TaskData,
    start: Checkpoint,
    out: Path,
    *,
    recipe: TaskRecipe | None = None,
    compute: Compute = DEFAULT,
    precision: Precision = "int8-weights",
    observe: Observe = lambda record: None,
) -> dict[str, Any]:
    """Fine-tune `start` on `data` under `policy`, or resume; write the checkpoint to `out` and return its scores.

    State and log are beside it, in a folder of its name with `.run`, which may be deleted afterwards.

    The result has the rows of each side, and on the held-out texts the AUC and, at the threshold, F1 and false positive
    rate, before and after.

    Raises:
        RecipeError: `out` holds a run of another recipe, policy or data.
        ModelIncompatible: `start` has no torch weights.
    """
    recipe = recipe or TaskRecipe()
    setup, dev = _prepare(policy, data, start, out.with_name(f"{out.name}.run"), recipe, compute)
    before = _score(setup, dev, recipe)
    progress = train(setup, observe)
    setup.model.load_state_dict(load_file(setup.out / "best.safetensors"))
    after = _score(setup, dev, recipe)
    changes = _calibrated(start, policy, after)
    manifest = start.manifest.model_copy(update=changes | _described(policy, data, setup, progress))
    export(setup.model.to("cpu"), start.file("tokenizer.json"), out, manifest, precision)
    result = {
        "policy": policy.name,
        "policy_hash": policy.fingerprint,
        "data_hash": data.fingerprint,
        "recipe": recipe.model_dump(),
        "rows": {"train": len(data.train), "dev": len(data.dev)},
        "seconds": round(progress.seconds, 1),
        "epochs": round(progress.step / setup.recipe.validate_every, 1),
        "before": _measured(before, start.manifest.temperature, start.manifest.threshold),
        "after": _measured(after, changes["temperature"], changes["thresholds"].get(policy.name, manifest.threshold)),
    }
    (out / "result.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    return result


def _prepare(
    policy: Policy, data: TaskData, start: Checkpoint, folder: Path, recipe: TaskRecipe, compute: Compute
) -> tuple[Setup, list[Episode]]:
    """Build the setup of the training loop, and the held-out texts as episodes."""
    model, max_line = load_model(start), start.manifest.line_length
    if recipe.mode == "head":
        model.bert.requires_grad_(False)
    source = TaskSource(policy, data.train, texts=recipe.texts, change=recipe.augment, seed=recipe.seed)
    dev = [Episode(policy, data.dev[at : at + 64], "conditioned") for at in range(0, len(data.dev), 64)]
    tokenizer = GuardTokenizer.from_file(start.file("tokenizer.json"))
    max_text = min(recipe.max_text, model.config.encoder.max_position_embeddings)
    collate = Collator(tokenizer, max_text=max_text, max_line=max_line, slack=compute.slack)
    name = f"{policy.name}-{policy.fingerprint}-{data.fingerprint}-{start.id}-{recipe.mode}"
    settings = recipe.loop(name, -(-source.epoch // recipe.episodes), max_line)

    def validate(model: GuardModel) -> dict[str, float]:
        scored = score_episodes(model, collate, dev, precision=recipe.precision)
        return {"score": round(auc(scored.labels, scored.logits), 4)}

    require_recipe(folder, settings.resume_key)
    folder.mkdir(parents=True, exist_ok=True)
    feed = Feed(source, collate, recipe.episodes, compute.workers)
    return Setup(settings, folder, compute.place(model), feed, validate), dev


def _score(setup: Setup, dev: list[Episode], recipe: TaskRecipe) -> Scored:
    return score_episodes(setup.model, setup.feed.collate, dev, precision=recipe.precision)


def _calibrated(start: Checkpoint, policy: Policy, scored: Scored) -> dict[str, Any]:
    """Fit temperature and threshold where the held-out texts are enough; else keep what the checkpoint had."""
    temperature = start.manifest.temperature
    if len(scored.labels) >= LEAST_ROWS:
        temperature = round(fit_temperature(scored.labels, scored.logits), 4)
    fitted = fit_threshold(scored.labels, _probabilities(scored, temperature))
    own = {} if fitted is None else {policy.name: fitted.value}
    return {"temperature": temperature, "thresholds": own}


def _described(policy: Policy, data: TaskData, setup: Setup, progress: Progress) -> dict[str, Any]:
    """Say in the manifest what was trained."""
    sources = sorted({f"{row.source}: {row.licence or 'licence not stated'}" for row in data.train})
    return {
        "name": f"task-{policy.name}",
        "interim": False,
        "sources": tuple(sources),
        "recipe_hash": setup.recipe.fingerprint,
        "data_hash": data.fingerprint,
        "seed": setup.recipe.seed,
        "trained_seconds": progress.seconds,
        "examples_seen": progress.examples,
        "scores": {"dev": {"auc": progress.best}},
        "files": {},
    }


def _measured(scored: Scored, temperature: float, threshold: float) -> Mapping[str, float]:
    """Area under the ROC curve, and F1 and false positive rate at a threshold."""
    flagged = _probabilities(scored, temperature) >= threshold
    safe = scored.labels == 0
    values = {
        "auc": auc(scored.labels, scored.logits),
        "f1": f1(scored.labels, flagged),
        "fpr": float(flagged[safe].mean()),
        "threshold": threshold,
    }
    return {name: round(value, 4) for name, value in values.items()}


def _probabilities(scored: Scored, temperature: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    return replace(scored, logits=scored.logits / temperature).probabilities
