"""The training loop of guardrail instruction pretraining, readable from top to bottom.

Commands::

    unigurd-train gip trainer/recipes/uniguard.toml --data ../shared/data --out runs/uniguard    # resumes if killed

Each step takes the next episodes of the mixture, encodes each distinct policy line once and shares it among the
step's texts. Logs go to `OUT/log.jsonl` (one object a line), states to `OUT/state` and the best weights to
`OUT/best.safetensors`.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from unigurd_sdk.nn.model import GuardModel
from unigurd_trainer.batching import Batch, Totals
from unigurd_trainer.checkpointing import Progress, load_state, save_state
from unigurd_trainer.errors import TrainerError
from unigurd_trainer.feeding import Feed
from unigurd_trainer.losses.masking import seed_of
from unigurd_trainer.losses.mlm import MlmHead
from unigurd_trainer.losses.total import not_finite, require_sane, total_loss
from unigurd_trainer.memory import memory_named
from unigurd_trainer.objective import Losses, autocast
from unigurd_trainer.recipe import GipRecipe, OptimRecipe
from unigurd_trainer.team import Team

Validate = Callable[[GuardModel], dict[str, float]]


@dataclass(frozen=True, slots=True)
class Setup:
    """What a run works on: recipe, output folder, model, its batches and the validation that steers it.

    `head` finds masked tokens again: trained, kept in the state, never exported.
    """

    recipe: GipRecipe
    out: Path
    model: GuardModel
    feed: Feed
    validate: Validate
    head: MlmHead | None = None

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device


def train(setup: Setup, observe: Callable[[dict[str, Any]], None] = lambda record: None) -> Progress:
    """Train until the recipe's steps are done, time is up or validation stops improving; resume if a state exists.

    `setup.validate` returns named scores of which ``score`` is maximised. Raises `TrainerError` on a loss that is not
    finite, and where memory is not enough.
    """
    recipe, model, team = setup.recipe, setup.model, setup.feed.team
    if setup.head is not None:
        setup.head.to(setup.device)
    optimizer = make_optimizer(model, recipe.optim, freeze_words=recipe.model.freeze_words, head=setup.head)
    progress = load_state(setup.out, model, optimizer, recipe.resume_key, setup.head)
    team.require_same_step(progress.step)
    if progress.step == 0 or not team.leads:
        torch.manual_seed(recipe.seed if team.leads else seed_of(recipe.seed, team.rank, progress.step))
    progress.runs += 1
    log = Log(setup.out / "log.jsonl", observe) if team.leads else None
    clock = Clock(progress)
    saved = time.monotonic()
    with memory_named(lambda: less_memory(progress)):
        for parts in setup.feed.steps(progress.step, recipe.steps):
            if finished(recipe, progress):
                break
            losses = step(setup, parts, optimizer, progress)
            clock.tick()
            if recipe.max_seconds is not None:
                progress.seconds = team.from_lead(progress.seconds)
            if log is not None and progress.step % 20 == 0:
                log.write(progress, parts[0], losses)
            if progress.step % recipe.validate_every == 0 or finished(recipe, progress):
                judge(setup, progress, log)
                clock.skip()
            if team.leads and time.monotonic() - saved > recipe.checkpoint_seconds:
                save_state(setup.out, model, optimizer, progress, setup.head)
                saved = time.monotonic()
    if team.leads:
        save_state(setup.out, model, optimizer, progress, setup.head)
    return progress


def step(setup: Setup, parts: Sequence[Batch], optimizer: torch.optim.Optimizer, progress: Progress) -> Losses:
    """Do one optimiser step on what this process has of it; returns the losses of the whole step."""
    team = setup.feed.team
    totals = Totals(*map(int, team.add([sum(counts) for counts in zip(*(astuple(p.own) for p in parts), strict=True)])))
    set_rates(optimizer, schedule(setup.recipe, progress))
    setup.model.train()
    optimizer.zero_grad(set_to_none=True)
    shares = [descend(setup, replace(part, step=totals).to(setup.device), progress.step) for part in parts]
    losses = add_losses(team, shares)
    require_sane(losses, progress.step)
    team.add_gradients(trained(setup))
    if not torch.nn.utils.clip_grad_norm_(trained(setup), setup.recipe.optim.clip).isfinite():
        raise TrainerError(not_finite("gradient", progress.step))
    optimizer.step()
    progress.step += 1
    progress.examples += totals.examples
    progress.tokens += totals.tokens
    return losses


def descend(setup: Setup, batch: Batch, number: int) -> Losses:
    """Compute the losses of a part of a step, and add its gradients to those of the others."""
    with autocast(setup.recipe.optim.precision, setup.device.type):
        losses = total_loss(setup.model, setup.head, batch, setup.recipe, number)
    losses.total.backward()  # type: ignore[no-untyped-call]
    return replace(losses, total=losses.total.detach())


def add_losses(team: Team, shares: Sequence[Losses]) -> Losses:
    """Add up the shares of a step's losses, of this process and of the others."""
    names = list(shares[0].others)
    rows = [(float(each.total), each.verdict, each.line, *each.others.values()) for each in shares]
    total, verdict, line, *others = team.add([sum(column) for column in zip(*rows, strict=True)])
    return Losses(torch.tensor(total), verdict, line, dict(zip(names, others, strict=True)))


def trained(setup: Setup) -> list[nn.Parameter]:
    """Parameters of the model and of what is trained beside it."""
    beside = [] if setup.head is None else list(setup.head.parameters())
    return [*setup.model.parameters(), *beside]


def less_memory(progress: Progress) -> str:
    """Say what helps where memory ran out."""
    return (
        f"Out of memory at step {progress.step}. Run the same command again with more --parts (a step is computed "
        "in so many) or fewer --workers; the run goes on from its last state. Or lower episodes, data.texts or "
        "data.max_text in the recipe, and start in a new folder."
    )


def judge(setup: Setup, progress: Progress, log: Log | None) -> None:
    """Let the lead validate; every process then knows what it found."""
    if log is not None:
        validate(setup, progress, log)
    for name, value in setup.feed.team.from_lead(asdict(progress)).items():
        setattr(progress, name, value)


def validate(setup: Setup, progress: Progress, log: Log) -> None:
    """Validate; keep the weights if they are the best so far."""
    setup.model.eval()
    scores = setup.validate(setup.model)
    progress.stale += 1
    if scores["score"] > progress.best:
        progress.best, progress.best_step, progress.stale = scores["score"], progress.step, 0
        progress.scores = scores
        weights = {key: value.contiguous() for key, value in setup.model.state_dict().items()}
        save_file(weights, setup.out / "best.new.safetensors")
        os.replace(setup.out / "best.new.safetensors", setup.out / "best.safetensors")
    log.record({"step": progress.step, "examples": progress.examples, "seconds": progress.seconds} | scores)


def finished(recipe: GipRecipe, progress: Progress) -> bool:
    """Tell whether the steps are done, the clock has run out or patience is lost."""
    timed_out = recipe.max_seconds is not None and progress.seconds >= recipe.max_seconds
    return progress.step >= recipe.steps or timed_out or (0 < recipe.patience <= progress.stale)


def schedule(recipe: GipRecipe, progress: Progress) -> float:
    """Factor of the learning rates: linear warm-up, then cosine decay to a tenth."""
    done = progress.step / recipe.steps
    if recipe.max_seconds is not None:
        done = max(done, progress.seconds / recipe.max_seconds)
    if done < recipe.optim.warmup:
        return min(max(done, 1 / recipe.steps) / recipe.optim.warmup, 1.0)
    part = (done - recipe.optim.warmup) / max(1 - recipe.optim.warmup, 1e-9)
    return 0.1 + 0.45 * (1 + math.cos(math.pi * min(part, 1.0)))


def make_optimizer(
    model: GuardModel, recipe: OptimRecipe, *, freeze_words: bool, head: nn.Module | None = None
) -> torch.optim.Optimizer:
    """AdamW with a rate for the encoder and one for the head (and for the MLM head); biases and norms do not decay."""
    model.bert.embeddings.word_embeddings.weight.requires_grad_(not freeze_words)
    groups: list[dict[str, Any]] = []
    parts: list[tuple[nn.Module, float]] = [(model.bert, recipe.encoder_lr), (model.head, recipe.head_lr)]
    for part, rate in parts if head is None else [*parts, (head, recipe.head_lr)]:
        weights = [p for p in part.parameters() if p.requires_grad]
        decayed = [p for p in weights if p.ndim > 1]
        plain = [p for p in weights if p.ndim <= 1]
        groups.append({"params": decayed, "lr": rate, "weight_decay": recipe.weight_decay})
        groups.append({"params": plain, "lr": rate, "weight_decay": 0.0})
    groups = [group | {"rate": group["lr"]} for group in groups if group["params"]]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Scale every group's rate by the schedule's factor."""
    for group in optimizer.param_groups:
        group["lr"] = group["rate"] * factor


class Clock:
    """Adds wall and CPU seconds of training (not of validation) to the progress."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def tick(self) -> None:
        """Count what has passed since the last tick or skip."""
        now, cpu = time.monotonic(), time.process_time()
        self.progress.seconds += now - self._wall
        self.progress.cpu_seconds += cpu - self._cpu
        self._wall, self._cpu = now, cpu

    def skip(self) -> None:
        """Leave out what has passed."""
        self._wall, self._cpu = time.monotonic(), time.process_time()


class Log:
    """Appends records to a JSON Lines file and shows them to an observer."""

    def __init__(self, path: Path, observe: Callable[[dict[str, Any]], None]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.read_bytes().endswith(b"\n"):  # cut off by a kill: do not write on in that line
            with path.open("a", encoding="utf-8") as file:
                file.write("\n")
        self.path, self.observe = path, observe

    def write(self, progress: Progress, batch: Batch, losses: Losses) -> None:
        """Record a training step with its speed."""
        seconds = max(progress.seconds, 1e-9)
        self.record(
            {
                "step": progress.step,
                "examples": progress.examples,
                "verdict_loss": round(losses.verdict, 4),
                "line_loss": round(losses.line, 4),
                **{name: round(value, 5) for name, value in losses.others.items()},
                "padding": round(batch.padding, 3),
                "examples_per_second": round(progress.examples / seconds, 1),
                "tokens_per_second": round(progress.tokens / seconds),
                "seconds": round(progress.seconds, 1),
            }
        )

    def record(self, record: dict[str, Any]) -> None:
        """Append one record."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self.observe(record)


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """Read the records of a log; half-written lines (a kill) are left out."""
    for line in path.read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):
            yield json.loads(line)
