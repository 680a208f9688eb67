"""Starts: the weights that fine-tuning begins with, whatever they were left by.

A start is a checkpoint, the folder of a training run, or an untrained guard on a base encoder: the paper's TaskGuard
begins from a pretrained language model, its MultiTaskGuard from what instruction pretraining left (section 3.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unigurd_sdk.checkpoint import Checkpoint, sha256_of
from unigurd_sdk.hub import locate
from unigurd_sdk.manifest import Manifest
from unigurd_sdk.nn.model import GuardModel
from unigurd_sdk.runtime.torch import load_model
from unigurd_trainer.base import find_base
from unigurd_trainer.export_stage import MAX_LENGTH, OVERLAP, describe_run
from unigurd_trainer.gip import build
from unigurd_trainer.recipe import DataRecipe, ModelRecipe
from unigurd_trainer.runs import Run

__all__ = ["BASE", "Start", "find_start"]

BASE = "base"
"""Name of the start that nothing has trained yet; ``base:NAME`` names the encoder."""


@dataclass(frozen=True, slots=True)
class Start:
    """A model with what a checkpoint of it needs.

    Attributes:
        id: Tells these weights from all others (16 hex digits, or the encoder and the seed of a fresh head).
        model: In float32, on the CPU; training changes it.
        tokenizer_file: The tokenizer that it reads with.
        manifest: What a checkpoint with these weights would say of itself.
    """

    id: str
    model: GuardModel
    tokenizer_file: Path
    manifest: Manifest

    @classmethod
    def of_checkpoint(cls, checkpoint: Checkpoint) -> Start:
        """Begin with a checkpoint; its int8 weights become float32."""
        return cls(checkpoint.id, load_model(checkpoint), checkpoint.file("tokenizer.json"), checkpoint.manifest)

    @classmethod
    def of_run(cls, run: Run) -> Start:
        """Begin with the last weights of a run."""
        model, _ = build(run.recipe, run.latest)
        manifest = describe_run(run, model.config.encoder.positions)
        base = find_base(run.recipe.model.base, run.recipe.model.revision)
        return cls(sha256_of(run.latest)[:16], model, base.tokenizer_file, manifest)

    @classmethod
    def of_base(cls, name: str, seed: int = 0) -> Start:
        """Begin with a pretrained encoder and a fresh head, which ranks by similarity with polarity."""
        base, spec = find_base(name), ModelRecipe(base=name)
        model = base.model(seed, **spec.model_dump(exclude={"base", "revision", "freeze_words"}))
        positions = model.config.encoder.positions
        manifest = Manifest(
            name="untrained",
            interaction=model.config.interaction,
            base_model=name,
            base_licence=base.licence,
            max_length=min(MAX_LENGTH, positions),
            line_length=min(DataRecipe().max_line, positions),
            overlap=min(OVERLAP, positions // 2),
        )
        return cls(f"{name}#{seed}", model, base.tokenizer_file, manifest)


def find_start(name: str, *, seed: int = 0) -> Start:
    """Find a start: ``base`` or ``base:NAME``, the folder of a run, or a checkpoint by folder or name.

    Raises:
        ModelNotFound: There is no checkpoint of that name.
        ModelIncompatible: The checkpoint has no torch weights.
    """
    kind, _, encoder = name.partition(":")
    if kind == BASE:
        return Start.of_base(encoder or ModelRecipe().base, seed)
    if (Path(name) / "recipe.json").is_file():
        return Start.of_run(Run.open(Path(name)))
    return Start.of_checkpoint(Checkpoint.open(locate(name)))
