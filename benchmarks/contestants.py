"""What `training_speed.py` compares: ways to train one encoder on one stream of texts, each as a loop of steps.

A contestant is a function that trains until `turns.tick` says stop, and gives back how it scores validation texts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unigurd_sdk.nn.model import GuardModel
from unigurd_sdk.template import policy_lines, text_prefix
from unigurd_trainer.base import find_base
from unigurd_trainer.batching import Batch, Collator, widened_lines
from unigurd_trainer.checkpointing import Progress
from unigurd_trainer.compute import Compute
from unigurd_trainer.feeding import Feed
from unigurd_trainer.gip import build, build_head
from unigurd_trainer.loop import Setup, make_optimizer, step
from unigurd_trainer.metrics import auc
from unigurd_trainer.objective import autocast
from unigurd_trainer.recipe import GipRecipe
from unigurd_trainer.rows import Episode, Example
from unigurd_trainer.scoring import score_episodes
from unigurd_trainer.views import views_of

JOINED = 512
"""Tokens of a joined row at most; a policy too long is cut."""


@dataclass(frozen=True, slots=True)
class Material:
    """Episodes to train on, in order, and to measure on."""

    train: tuple[Episode, ...]
    dev: tuple[Episode, ...]

    def episode(self, index: int) -> Episode:
        """Give a training episode; after the last comes the first."""
        return self.train[index % len(self.train)]


class Turns:
    """Trains when it is this process's turn; a turn is over with the first step that ends after its seconds."""

    def __init__(self, parent: Connection, seconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.parent, self.seconds, self.clock = parent, seconds, clock
        self.started, self.samples, self.tokens = 0.0, 0, 0

    def wait(self) -> bool:
        """Wait for the next turn; false if there is none."""
        going: bool = self.parent.recv()
        self.started, self.samples, self.tokens = self.clock(), 0, 0
        return going

    def tick(self, samples: int, tokens: int) -> bool:
        """Count a step; false if training is over."""
        self.samples, self.tokens = self.samples + samples, self.tokens + tokens
        taken = self.clock() - self.started
        if taken < self.seconds:
            return True
        self.parent.send((self.samples, self.tokens, taken))
        return self.wait()


Contestant = Callable[[Material, GipRecipe, Turns], Callable[[Sequence[Episode]], float]]


def ours(material: Material, recipe: GipRecipe, turns: Turns) -> Callable[[Sequence[Episode]], float]:
    """The training loop of this package as it is, texts tokenised and collated in the step."""
    model, collate = build(recipe)
    views = views_of(recipe, collate, model.config.encoder.positions)
    feed = Feed(material, collate, recipe.episodes, views=views)
    setup = Setup(recipe, Path(), Compute().place(model), feed, lambda model: {}, build_head(recipe, model))
    optimizer = make_optimizer(model, recipe.optim, freeze_words=recipe.model.freeze_words, head=setup.head)
    progress, going = Progress(), turns.wait()
    while going:
        before = progress.examples, progress.tokens
        step(setup, feed[progress.step], optimizer, progress)
        going = turns.tick(progress.examples - before[0], progress.tokens - before[1])
    return partial(_own_auc, model, collate)


def padded(
    material: Material, recipe: GipRecipe, turns: Turns, *, shared: bool = False
) -> Callable[[Sequence[Episode]], float]:
    """Our model, its texts padded to the longest of the step; not `shared`: lines are encoded for each text anew."""
    model, collate = build(recipe, slack=1e9)
    optimizer = make_optimizer(model, recipe.optim, freeze_words=recipe.model.freeze_words)
    rows = _joined_size(material, recipe)
    episodes = (material.episode(number) for number in count())
    alone = (replace(each, examples=(example,)) for each in episodes for example in each.examples)
    going = turns.wait()
    while going:
        some = [next(episodes) for _ in range(recipe.episodes)] if shared else [next(alone) for _ in range(rows)]
        batch = collate(some)
        with autocast(recipe.optim.precision):
            loss, tokens = _padded_loss(model, batch, shared=shared)
        _descend(loss, model, optimizer)
        going = turns.tick(batch.examples, tokens)
    return partial(_own_auc, model, collate)


def _padded_loss(model: GuardModel, batch: Batch, *, shared: bool) -> tuple[Tensor, int]:
    """Loss and real tokens of a batch with one text bucket, without packing."""
    (texts,) = batch.texts
    ids, mask = widened_lines(batch.lines)
    layout, polarity, policy = batch.layout, batch.polarity, texts.policy
    if not shared:
        layout, polarity, policy = layout[policy], polarity[policy], torch.arange(len(policy))
        lines = layout[layout >= 0]
        ids, mask = ids[lines], mask[lines]
        layout = torch.where(layout >= 0, (layout >= 0).flatten().cumsum(0).view_as(layout) - 1, -1)
    states = model.policies(model.line_vectors(ids, mask), polarity, layout)
    logits, _ = model.decide(model.encode_texts(texts.input_ids, texts.mask), states.rows(policy))
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, texts.labels)
    return loss, int(mask.sum() + texts.mask.sum())


def loop(material: Material, recipe: GipRecipe, turns: Turns) -> Callable[[Sequence[Episode]], float]:
    """A plain loop over padded batches of policy and text joined, in float32."""
    joined = Joined(recipe)
    model = joined.model(frozen=recipe.model.freeze_words, dropout=recipe.model.encoder_dropout)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.optim.encoder_lr, fused=True)
    rows, size = joined.rows(material), _joined_size(material, recipe)
    batches = (joined.pad([rows[(size * n + i) % len(rows)] for i in range(size)]) for n in count())
    going = turns.wait()
    model.train()
    while going:
        batch = next(batches)
        _descend(model(**batch).loss, model, optimizer)
        going = turns.tick(size, int(batch["attention_mask"].sum()))
    return partial(joined.auc, model)


def trainer(
    material: Material, recipe: GipRecipe, turns: Turns, *, tuned: bool = False
) -> Callable[[Sequence[Episode]], float]:
    """The `Trainer` of transformers, with its defaults or `tuned` for a CPU."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    joined = Joined(recipe)
    dropout = recipe.model.encoder_dropout if tuned else None
    model = joined.model(frozen=tuned and recipe.model.freeze_words, dropout=dropout)
    rows, size = joined.rows(material), _joined_size(material, recipe)
    best: dict[str, Any] = {"bf16": True, "train_sampling_strategy": "group_by_length"} if tuned else {}

    class Ticks(TrainerCallback):
        def on_train_begin(self, args: object, state: object, control: Any, **kwargs: object) -> None:  # noqa: ANN401
            control.should_training_stop = not turns.wait()

        def on_step_end(self, args: object, state: object, control: Any, **kwargs: object) -> None:  # noqa: ANN401
            control.should_training_stop = not turns.tick(size, joined.collated.pop(0))

    arguments = TrainingArguments(
        output_dir="training-speed", use_cpu=True, max_steps=10**6, per_device_train_batch_size=size,
        learning_rate=recipe.optim.encoder_lr, lr_scheduler_type="constant", save_strategy="no", disable_tqdm=True,
        logging_strategy="no", **best,
    )  # fmt: skip
    Trainer(model, arguments, data_collator=joined.pad, train_dataset=rows, callbacks=[Ticks()]).train()
    return partial(joined.auc, model)


class Joined:
    """Policy and text as one sequence of a sequence classifier, the paper's form; tokenised ahead."""

    def __init__(self, recipe: GipRecipe) -> None:
        from transformers import AutoTokenizer, DataCollatorWithPadding

        self.folder, self.max_text = find_base(recipe.model.base).folder, recipe.data.max_text
        self.tokenizer = AutoTokenizer.from_pretrained(self.folder)
        self.collate = DataCollatorWithPadding(self.tokenizer)
        self.collated: list[int] = []

    def model(self, *, frozen: bool, dropout: float | None) -> Any:  # noqa: ANN401
        """The encoder with a classification layer of its own."""
        from transformers import AutoModelForSequenceClassification

        drop = {} if dropout is None else {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_pretrained(self.folder, num_labels=2, **drop)
        model.get_input_embeddings().weight.requires_grad_(not frozen)
        return model

    def rows(self, material: Material) -> list[dict[str, Any]]:
        """All training texts, in the order of the episodes."""
        return [self.row(episode, example) for episode in material.train for example in episode.examples]

    def row(self, episode: Episode, example: Example) -> dict[str, Any]:
        """Tokenise a policy and a text."""
        marks = ("", "Allowed: ", "Disallowed: ")
        policy = "\n".join(marks[line.polarity] + line.text for line in policy_lines(episode.policy))
        text = self.tokenizer(
            text_prefix(example.role, example.prompt) + example.text,
            add_special_tokens=False, truncation=True, max_length=self.max_text - 2,
        )["input_ids"]  # fmt: skip
        front = self.tokenizer(policy, truncation=True, max_length=JOINED - len(text) - 1)["input_ids"]
        ids = [*front, *text, self.tokenizer.sep_token_id]
        types = [0] * len(front) + [1] * (len(text) + 1)
        return {"input_ids": ids, "token_type_ids": types, "labels": example.label}

    def pad(self, rows: Sequence[Mapping[str, Any]]) -> Any:  # noqa: ANN401
        """Pad rows to the longest of them."""
        batch = self.collate([dict(row) for row in rows])
        self.collated.append(int(batch["attention_mask"].sum()))
        return batch

    @torch.no_grad()
    def auc(self, model: Any, episodes: Sequence[Episode]) -> float:  # noqa: ANN401
        """Area under the ROC curve of a trained classifier."""
        rows = sorted((self.row(e, x) for e in episodes for x in e.examples), key=lambda row: len(row["input_ids"]))
        parts: Iterator[Sequence[dict[str, Any]]] = (rows[at : at + 32] for at in range(0, len(rows), 32))
        model.eval()
        logits = torch.cat([model(**self.pad(part)).logits.float() for part in parts])
        return auc(np.array([row["labels"] for row in rows]), (logits[:, 1] - logits[:, 0]).double().numpy())


def _descend(loss: Tensor, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def _joined_size(material: Material, recipe: GipRecipe) -> int:
    """Joined rows that have as many tokens as a step of ours, rounded."""
    joined, (_, collate) = Joined(recipe), build(recipe)
    some = material.train[: 20 * recipe.episodes]
    lengths = [len(joined.row(e, x)["input_ids"]) for e in some for x in e.examples]
    steps = [some[at : at + recipe.episodes] for at in range(0, len(some), recipe.episodes)]
    return max(1, round(float(np.mean([collate(each).tokens for each in steps]) / np.mean(lengths))))


def _own_auc(model: GuardModel, collate: Collator, episodes: Sequence[Episode]) -> float:
    scored = score_episodes(model, collate, episodes)
    return auc(scored.labels, scored.logits)
