"""Where models to merge come from: runs, checkpoints and base encoders, each read tensor by tensor.

Names are those of `unigurd_trainer.starts`: ``base`` or ``base:NAME`` for a pretrained encoder, the folder of a run, or
a checkpoint by folder or name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from unigurd_sdk.checkpoint import Checkpoint, sha256_of
from unigurd_sdk.hub import locate
from unigurd_sdk.manifest import Manifest
from unigurd_sdk.nn.model import ModelConfig
from unigurd_sdk.nn.weights import Unpacked
from unigurd_sdk.runtime.torch import build_model
from unigurd_trainer.base import Base, find_base
from unigurd_trainer.errors import TrainerError
from unigurd_trainer.export_stage import describe_run
from unigurd_trainer.merge.model import Model
from unigurd_trainer.merge.stored import Stored
from unigurd_trainer.precision import Weights
from unigurd_trainer.recipe import ModelRecipe
from unigurd_trainer.runs import Run
from unigurd_trainer.starts import BASE

__all__ = ["Source", "find_source", "require_compatible"]

_UNTRAINED = ("dropout", "encoder.dropout")
"""Parts of a model's config that say nothing about its weights."""

_SHOWN = 24


@dataclass(frozen=True, slots=True)
class Source:
    """A model and what has to be equal of models that are merged.

    Attributes:
        name: What it was called.
        model: Its tensors, in float32.
        sha256: Of the file they are in.
        traits: Sizes, interaction, labels, template, tokenizer; a base encoder has only some.
        tokenizer_file: The tokenizer that it reads with.
        config: The sizes of its modules; None for a base encoder.
        run: The run that left it, if one did.
        checkpoint: The checkpoint that it is of, if it is of one.
    """

    name: str
    model: Model
    sha256: str
    traits: Mapping[str, object]
    tokenizer_file: Path
    config: ModelConfig | None = None
    run: Run | None = None
    checkpoint: Checkpoint | None = None

    @classmethod
    def of_run(cls, run: Run, take: Weights = "best") -> Source:
        """Read weights of a run."""
        spec = run.recipe.model
        base, file = find_base(spec.base, spec.revision), run.latest if take == "last" else run.weights("best")
        sizes = spec.model_dump(exclude={"base", "revision", "freeze_words", "encoder_dropout"})
        config = ModelConfig(encoder=base.config(), **sizes)
        traits, model = _traits(config, base.tokenizer_file), Stored(file)
        return cls(str(run.folder), model, sha256_of(file), traits, base.tokenizer_file, config, run)

    @classmethod
    def of_checkpoint(cls, checkpoint: Checkpoint) -> Source:
        """Read a checkpoint; int8 weights are multiplied out."""
        name, manifest = checkpoint.manifest.weight_file("torch"), checkpoint.manifest
        skeleton, tokenizer_file = build_model(checkpoint, "meta"), checkpoint.file("tokenizer.json")
        traits = _traits(skeleton.config, tokenizer_file) | {
            "labels": manifest.labels,
            "template version": manifest.template_version,
            "plain": manifest.plain,
        }
        model = Unpacked(skeleton, Stored(checkpoint.file(name)))
        sha256, folder = manifest.files[name].sha256, str(checkpoint.folder)
        return cls(folder, model, sha256, traits, tokenizer_file, skeleton.config, checkpoint=checkpoint)

    @classmethod
    def of_base(cls, base: Base) -> Source:
        """Read a pretrained encoder as fine-tuning starts from it; it has no classification layer."""
        with torch.random.fork_rng(devices=[]):
            guard = base.model(0)
        model = {name: tensor for name, tensor in guard.state_dict().items() if name.startswith("bert.")}
        traits = _traits(guard.config, base.tokenizer_file)
        own = {key: trait for key, trait in traits.items() if key == "tokenizer" or key.startswith("encoder.")}
        file = base.folder / "model.safetensors"
        return cls(f"{BASE}:{base.name}", model, sha256_of(file), own, base.tokenizer_file)

    def manifest(self) -> Manifest:
        """What a checkpoint with this model says of itself; that of a base encoder raises `TrainerError`."""
        if self.checkpoint is not None:
            return self.checkpoint.manifest
        if self.run is None or self.config is None:
            raise TrainerError(f"{self.name} is not trained yet. Name runs and checkpoints as candidates.")
        return describe_run(self.run, self.config.encoder.positions)


def find_source(name: str, take: Weights = "best") -> Source:
    """Find a model by name.

    Raises:
        ModelNotFound: There is no checkpoint of that name.
        ModelIncompatible: The checkpoint has no torch weights.
        DataError: The run is not finished.
    """
    kind, _, encoder = name.partition(":")
    if kind == BASE:
        return Source.of_base(find_base(encoder or ModelRecipe().base))
    if (Path(name) / "recipe.json").is_file():
        return Source.of_run(Run.open(Path(name)), take)
    return Source.of_checkpoint(Checkpoint.open(locate(name)))


def require_compatible(sources: Sequence[Source]) -> None:
    """Raise `TrainerError`, with what differs, unless models read alike: tokenizer, template, interaction, labels."""
    first, *others = sources
    for other in others:
        shared = [key for key in first.traits if key in other.traits]
        differing = [key for key in shared if first.traits[key] != other.traits[key]]
        if differing:
            told = ", ".join(_told(key, first.traits[key], other.traits[key]) for key in differing)
            raise TrainerError(f"{first.name} and {other.name} cannot be merged; they differ in {told}.")


def _traits(config: ModelConfig, tokenizer_file: Path) -> dict[str, object]:
    sizes = {key: value for key, value in config.flat().items() if key not in _UNTRAINED}
    return {"tokenizer": sha256_of(tokenizer_file), **sizes}


def _told(key: str, one: object, other: object) -> str:
    short = max(len(str(one)), len(str(other))) <= _SHOWN
    return f"{key} ({one} and {other})" if short else key
