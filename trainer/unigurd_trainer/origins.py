"""Origins: the weights that pretraining goes on from, left by a run or read from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from unigurd_sdk.checkpoint import Checkpoint, sha256_of
from unigurd_sdk.hub import locate
from unigurd_sdk.runtime.torch import load_model
from unigurd_trainer.checkpointing import HEAD_FILE
from unigurd_trainer.runs import TOTALS, Run

__all__ = ["Origin", "find_origin"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Weights to go on from, and what is known of their past.

    Attributes:
        name: What it was called.
        weights: Tensors of a `GuardModel`, in float32.
        sha256: Of the file they are in.
        base: Name of the base encoder.
        tokenizer: Sha256 of the tokenizer; None for a run that did not note it.
        totals: What went into the weights (see `unigurd_trainer.runs.TOTALS`).
        head_file: Weights of the head that finds masked tokens again, if they were kept.
    """

    name: str
    weights: Mapping[str, Tensor]
    sha256: str
    base: str
    tokenizer: str | None
    totals: Mapping[str, float]
    head_file: Path | None = None

    @classmethod
    def of_run(cls, run: Run) -> Origin:
        """Go on from the last weights of a run."""
        file, head = run.latest, run.latest.with_name(HEAD_FILE)
        return cls(
            name=str(run.folder),
            weights=load_file(file),
            sha256=sha256_of(file),
            base=run.recipe.model.base,
            tokenizer=run.result.get("tokenizer"),
            totals=run.totals,
            head_file=head if head.is_file() else None,
        )

    @classmethod
    def of_checkpoint(cls, checkpoint: Checkpoint) -> Origin:
        """Go on from a checkpoint; its int8 weights become float32, and of its totals it knows examples and seconds."""
        manifest = checkpoint.manifest
        known = {"examples": float(manifest.examples_seen), "seconds": manifest.trained_seconds}
        return cls(
            name=f"{manifest.name}@{checkpoint.id}",
            weights=load_model(checkpoint).state_dict(),
            sha256=manifest.files[manifest.weight_file("torch")].sha256,
            base=manifest.base_model,
            tokenizer=manifest.files["tokenizer.json"].sha256,
            totals=dict.fromkeys(TOTALS, 0.0) | known,
        )


def find_origin(name: str) -> Origin:
    """Find what to go on from: the folder of a run, or a checkpoint by folder or name.

    Raises:
        DataError: The run is not finished.
        ModelNotFound: There is no checkpoint of that name.
        ModelIncompatible: The checkpoint has no torch weights.
    """
    if (Path(name) / "recipe.json").is_file():
        return Origin.of_run(Run.open(Path(name)))
    return Origin.of_checkpoint(Checkpoint.open(locate(name)))
