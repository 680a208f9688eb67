"""A model to merge: a mapping from name to tensor, and what has to hold before several of them are merged."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from unigurd_sdk.nn.weights import SCALE
from unigurd_trainer.errors import TrainerError

__all__ = ["Model", "digest", "no_base", "require_alike", "require_base", "shares"]

Model = Mapping[str, Tensor]

_SHOWN = 300
"""Characters of a list of names that a message shows."""


class _Form(NamedTuple):
    """What has to be equal of two tensors of one name."""

    shape: tuple[int, ...]
    dtype: torch.dtype


def digest(model: Model) -> str:
    """Sha256 of names, types, shapes and values, in whatever order the tensors are."""
    total = hashlib.sha256()
    for name in sorted(model):
        tensor = model[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def shares(weights: Sequence[float], count: int) -> list[float]:
    """Scale the weights of `count` models to a sum of 1; shares stay as they are, to the last bit.

    Raises:
        TrainerError: They are not as many, or one is negative or not finite, or all are zero.
    """
    values = [float(weight) for weight in weights]
    good = len(values) == count and all(math.isfinite(value) and value >= 0 for value in values)
    if not good or sum(values) <= 0:
        raise TrainerError(
            f"{count} models need as many weights, all finite, none negative and not all zero: {list(weights)}."
        )
    total = sum(values)
    return values if math.isclose(total, 1.0, rel_tol=1e-12) else [value / total for value in values]


def require_alike(models: Sequence[Model]) -> None:
    """Raise `TrainerError`, with the names that differ, unless all models have the same names, shapes and types."""
    if not models:
        raise TrainerError("There is no model to merge.")
    if not models[0]:
        raise TrainerError("Model 1 has no tensors.")
    first = _forms(models[0], "Model 1")
    for number, model in enumerate(models[1:], start=2):
        _require_equal(first, _forms(model, f"Model {number}"), f"Model {number} is not built like model 1")


def no_base() -> TrainerError:
    """Say that a base is missing."""
    return TrainerError("This method merges differences to a base: give the model that the candidates started from.")


def require_base(base: Model, model: Model) -> None:
    """Raise `TrainerError` unless `base` has tensors of `model`, of the same shapes and types."""
    if not base:
        raise no_base()
    names = [name for name in model if name in base]
    if not names:
        raise TrainerError(f"The base has no tensor of the models; it has {_listed(base)}.")
    theirs, ours = (_forms({name: side[name] for name in names}, "The base") for side in (model, base))
    _require_equal(theirs, ours, "The base is not built like model 1")


def _forms(model: Model, who: str) -> dict[str, _Form]:
    forms = {}
    for name, tensor in model.items():
        if tensor.is_meta:
            raise TrainerError(f"{who} has no data for {name} (a meta tensor). Load its weights first.")
        if not tensor.is_floating_point() and name + SCALE in model:
            raise TrainerError(f"{who} holds {name} as integers with a scale. Read it with nn.weights.unpacked first.")
        forms[name] = _Form(tuple(tensor.shape), tensor.dtype)
    return forms


def _require_equal(one: Mapping[str, _Form], other: Mapping[str, _Form], problem: str) -> None:
    differing = [name for name in dict.fromkeys((*one, *other)) if one.get(name) != other.get(name)]
    if differing:
        name = differing[0]
        example = f" ({name}: {_told(one.get(name))} and {_told(other.get(name))})"
        raise TrainerError(f"{problem}; they differ in {_listed(sorted(differing))}{example}.")


def _told(form: _Form | None) -> str:
    return "absent" if form is None else f"{list(form.shape)} {str(form.dtype).removeprefix('torch.')}"


def _listed(names: Mapping[str, object] | Sequence[str]) -> str:
    text = ", ".join(names)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(names)} in all)"
