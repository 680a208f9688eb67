"""Stage finetune: a start and the data of one policy in, a TaskGuard checkpoint out (paper, section 3.3).

`tune` trains and keeps the best epoch by AUC on the held-out texts; `run` does that, calibrates on the same texts,
exports, and writes a card.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from unigurd_sdk.nn.model import GuardModel
from unigurd_sdk.policy import Policy
from unigurd_sdk.template import PLAIN
from unigurd_sdk.tokenizer import GuardTokenizer
from unigurd_trainer.batching import Collator
from unigurd_trainer.checkpointing import Progress, require_recipe
from unigurd_trainer.compute import DEFAULT, Compute
from unigurd_trainer.decision import Decision, decide
from unigurd_trainer.export import export
from unigurd_trainer.feeding import Feed
from unigurd_trainer.frozen import FrozenEncoder
from unigurd_trainer.loop import Setup, train
from unigurd_trainer.metrics import auc
from unigurd_trainer.precision import Precision
from unigurd_trainer.rows import Episode, Example
from unigurd_trainer.scoring import Scored, score_episodes
from unigurd_trainer.starts import Start
from unigurd_trainer.task_card import write_task_card
from unigurd_trainer.task_recipe import TaskRecipe
from unigurd_trainer.task_source import TaskSource
from unigurd_trainer.taskdata import TaskData

__all__ = ["Task", "TaskRecipe", "Tuned", "prepare", "run", "tune"]

Observe = Callable[[dict[str, Any]], None]

_SCORED_TOGETHER = 64

_OUTPUT = ("correction_out", "valence_out", "valence", "null_cosine", "sharpness", "scale", "0")
"""Parts of a head that turn its states into a logit; "0" is the one layer of the interaction ``full``."""


@dataclass(frozen=True, slots=True)
class Task:
    """A policy as the model reads it, and the set-up of its training."""

    policy: Policy
    setup: Setup

    def score(self, rows: Sequence[Example]) -> Scored:
        """Score texts under the policy with the model as it is now."""
        episodes = _episodes(self.policy, rows)
        return score_episodes(
            self.setup.model, self.setup.feed.collate, episodes, precision=self.setup.recipe.optim.precision
        )


@dataclass(frozen=True, slots=True)
class Tuned:
    """A fine-tuned model.

    Attributes:
        task: Its model has the weights of the best epoch.
        progress: How far training went.
        before, after: Scores of the held-out texts.
    """

    task: Task
    progress: Progress
    before: Scored
    after: Scored


def run(
    policy: Policy,
    data: TaskData,
    start: Start,
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
        RecipeError: `out` holds a run of another recipe, policy, start or data.
        TrainerError: Training diverged.
    """
    recipe = recipe or TaskRecipe()
    tuned = tune(policy, data, start, out.with_name(f"{out.name}.run"), recipe=recipe, compute=compute, observe=observe)
    decided = decide(tuned.after, start.manifest)
    manifest = start.manifest.model_copy(
        update=_described(policy, data, tuned, recipe) | decided.manifest_fields(policy.name)
    )
    export(tuned.task.setup.model.to("cpu"), start.tokenizer_file, out, manifest, precision)
    result = {
        "policy": policy.name,
        "policy_hash": policy.fingerprint,
        "data_hash": data.fingerprint,
        "started_from": start.id,
        "recipe": recipe.model_dump(),
        "rows": {"train": len(data.train), "dev": len(data.dev)},
        "seconds": round(tuned.progress.seconds, 1),
        "epochs": round(tuned.progress.step / tuned.task.setup.recipe.validate_every, 1),
        "before": Decision(start.manifest.temperature, start.manifest.threshold).measure(tuned.before),
        "after": decided.measure(tuned.after),
    }
    (out / "result.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    write_task_card(out, policy, result)
    return result


def tune(
    policy: Policy,
    data: TaskData,
    start: Start,
    folder: Path,
    *,
    recipe: TaskRecipe | None = None,
    compute: Compute = DEFAULT,
    observe: Observe = lambda record: None,
) -> Tuned:
    """Fine-tune the model of `start` in place, or resume in `folder`; raises as `run` does."""
    task = prepare(policy, data, start, folder, recipe or TaskRecipe(), compute)
    before = task.score(data.dev)
    progress = train(task.setup, observe)
    task.setup.model.load_state_dict(load_file(task.setup.out / "best.safetensors"))
    return Tuned(task, progress, before, task.score(data.dev))


def prepare(
    policy: Policy, data: TaskData, start: Start, folder: Path, recipe: TaskRecipe, compute: Compute = DEFAULT
) -> Task:
    """Build the set-up of the training loop in `folder`; one of another run raises `RecipeError`."""
    if recipe.plain:
        policy = Policy(name=policy.name, description=PLAIN)
    model, max_line = start.model, start.manifest.line_length
    freeze(model, recipe)
    source = TaskSource(
        policy, data.train, texts=recipe.texts, change=recipe.changes, balance=recipe.balance, seed=recipe.seed
    )
    tokenizer = GuardTokenizer.from_file(start.tokenizer_file)
    max_text = min(recipe.max_text, start.manifest.max_length)
    collate = Collator(tokenizer, max_text=max_text, max_line=max_line, slack=compute.slack)
    name = f"{policy.name}-{policy.fingerprint}-{data.fingerprint}-{start.id}-{recipe.name}"
    settings = recipe.loop(name, -(-source.epoch // recipe.episodes), max_line)
    require_recipe(folder, settings.resume_key)
    folder.mkdir(parents=True, exist_ok=True)
    feed = Feed(source, collate, recipe.episodes, compute.workers)
    return Task(policy, Setup(settings, folder, compute.place(model), feed, _validation(policy, data, collate, recipe)))


def freeze(model: GuardModel, recipe: TaskRecipe) -> None:
    """Leave trainable what the mode trains; a frozen encoder remembers what it has read."""
    if recipe.mode == "full":
        return
    model.bert = FrozenEncoder(model.bert)
    if recipe.mode == "output":
        for name, parameter in model.head.named_parameters():
            parameter.requires_grad_(name.partition(".")[0] in _OUTPUT)


def _validation(
    policy: Policy, data: TaskData, collate: Collator, recipe: TaskRecipe
) -> Callable[[GuardModel], dict[str, float]]:
    episodes = _episodes(policy, data.dev)

    def validate(model: GuardModel) -> dict[str, float]:
        scored = score_episodes(model, collate, episodes, precision=recipe.precision)
        return {"score": round(auc(scored.labels, scored.logits), 4)}

    return validate


def _episodes(policy: Policy, rows: Sequence[Example]) -> list[Episode]:
    starts = range(0, len(rows), _SCORED_TOGETHER)
    return [Episode(policy, tuple(rows[at : at + _SCORED_TOGETHER]), "conditioned") for at in starts]


def _described(policy: Policy, data: TaskData, tuned: Tuned, recipe: TaskRecipe) -> dict[str, Any]:
    """Say in the manifest what was trained."""
    sources = sorted({f"{row.source}: {row.licence or 'licence not stated'}" for row in data.train})
    return {
        "name": f"task-{policy.name}",
        "interim": False,
        "plain": recipe.plain,
        "sources": tuple(sources),
        "recipe_hash": tuned.task.setup.recipe.fingerprint,
        "data_hash": data.fingerprint,
        "seed": recipe.seed,
        "trained_seconds": tuned.progress.seconds,
        "examples_seen": tuned.progress.examples,
        "scores": {"dev": {"auc": tuned.progress.best}},
        "files": {},
    }
