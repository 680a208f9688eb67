"""Training state on disk: weights, optimiser moments, random state and counters.

Kept in safetensors and JSON, written atomically.

A run that is killed at any moment continues from the last state as if nothing had happened (data are a pure function
of the episode number, so only the counter is kept). Never a pickle.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unigurd_sdk.nn.model import GuardModel
from unigurd_trainer.errors import RecipeError

HEAD_FILE = "mlm_head.safetensors"


@dataclass(slots=True)
class Progress:
    """Counters of a run: steps done, examples and tokens seen, seconds trained, and the best validation."""

    step: int = 0
    examples: int = 0
    tokens: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    best: float = float("-inf")
    best_step: int = 0
    stale: int = 0
    runs: int = 0
    recipe: str = ""
    scores: dict[str, float] = field(default_factory=dict)


def save_state(
    folder: Path,
    model: GuardModel,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    head: nn.Module | None = None,
) -> None:
    """Write the state to `folder`/state, replacing the old one in a single rename.

    `head` is what is trained beside the model and never exported; it has a file of its own.
    """
    fresh, final, old = folder / "state.new", folder / "state", folder / "state.old"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, fresh / "model.safetensors")
    if head is not None:
        save_file(head.state_dict(), fresh / HEAD_FILE)
    save_file(_moments(optimizer) | _random_state(), fresh / "optimizer.safetensors")
    (fresh / "progress.json").write_text(json.dumps(asdict(progress), indent=1), encoding="utf-8")
    if final.exists():  # else the last save was cut off between its renames, and `old` is the only whole state
        shutil.rmtree(old, ignore_errors=True)
        os.replace(final, old)
    os.replace(fresh, final)


def load_state(
    folder: Path, model: GuardModel, optimizer: torch.optim.Optimizer, recipe: str, head: nn.Module | None = None
) -> Progress:
    """Restore the state of `folder` if there is one; a state of another recipe raises `RecipeError`."""
    progress = require_recipe(folder, recipe)
    state = _find_state(folder)
    if state is None:
        return progress
    load_weights(model, state / "model.safetensors")
    if head is not None:
        head.load_state_dict(load_file(state / HEAD_FILE))
    tensors = load_file(state / "optimizer.safetensors")
    _set_random_state(tensors)
    _restore(optimizer, tensors)
    return progress


def load_weights(model: GuardModel, file: Path) -> None:
    """Load a model's weights; those of a model that is built otherwise raise `RecipeError` with what differs."""
    fit(model, load_file(file), str(file))


def fit(model: GuardModel, stored: Mapping[str, Tensor], name: str) -> None:
    """Put weights into a model; those of a model that is built otherwise raise `RecipeError` with what differs."""
    theirs, ours = _shapes(stored), _shapes(model.state_dict())
    differing = sorted({name for name, _ in theirs.items() ^ ours.items()})
    if differing:
        found, needed = (side.get(differing[0], "nothing") for side in (theirs, ours))
        raise RecipeError(
            f"{name} does not fit the recipe's model: {len(differing)} tensors differ, such as {differing[0]} with "
            f"{found} and not {needed}. Give [model] in the recipe the values that the weights were trained with."
        )
    model.load_state_dict(stored)


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def require_recipe(folder: Path, recipe: str) -> Progress:
    """Read how far the run in `folder` is, without loading it; a state of another recipe raises `RecipeError`."""
    state = _find_state(folder)
    if state is None:
        return Progress(recipe=recipe)
    progress = Progress(**json.loads((state / "progress.json").read_text(encoding="utf-8")))
    if progress.recipe != recipe:
        raise RecipeError(f"{state} belongs to recipe {progress.recipe}, not {recipe}; choose another output folder")
    return progress


def _find_state(folder: Path) -> Path | None:
    states = (folder / "state", folder / "state.old")
    return next((path for path in states if (path / "progress.json").is_file()), None)


def _random_state() -> dict[str, Tensor]:
    cuda = {"rng_cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {}
    return {"rng": torch.get_rng_state()} | cuda


def _set_random_state(tensors: dict[str, Tensor]) -> None:
    """Take the random states out of the tensors and set them; a run may go on without the GPU that it began on."""
    torch.set_rng_state(tensors.pop("rng"))
    cuda = tensors.pop("rng_cuda", None)
    if cuda is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(cuda)


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{index}.{key}": value.contiguous() for index, entry in state.items() for key, value in entry.items()}


def _restore(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    entries: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        entries.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
