"""Merge methods: models of one architecture in, one model out, tensor by tensor.

A model is a mapping from name to tensor. Sums are taken in float64 and come back in the type of the first model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from unigurd_trainer.errors import TrainerError

__all__ = ["Model", "average", "require_alike"]

Model = Mapping[str, Tensor]


def average(models: Sequence[Model], weights: Sequence[float]) -> dict[str, Tensor]:
    """Average K models with weights [K], which are scaled to a sum of 1: the model soup.

    Tensors that hold no floating-point numbers are those of the first model. Source: Wortsman et al.,
    https://arxiv.org/abs/2203.05482; with two models along one training run, https://arxiv.org/abs/2109.01903.

    Raises:
        TrainerError: The models differ in names or shapes, or the weights are not K numbers with a positive sum.
    """
    require_alike(models)
    if len(weights) != len(models) or min(weights) < 0 or sum(weights) <= 0:
        raise TrainerError(f"{len(models)} models need as many weights, none negative and not all zero: {weights}.")
    shares = [weight / sum(weights) for weight in weights]
    return {name: _average([model[name] for model in models], shares) for name in models[0]}


def _average(tensors: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    first = tensors[0]
    if not first.is_floating_point():
        return first.clone()
    total = sum((share * tensor.double() for share, tensor in zip(shares, tensors, strict=True)), start=0.0)
    assert isinstance(total, Tensor)
    return total.to(first.dtype)


def require_alike(models: Sequence[Model]) -> None:
    """Raise `TrainerError`, with the names that differ, unless all models have the same names and shapes."""
    if not models:
        raise TrainerError("There is no model to merge.")
    first = {name: tuple(tensor.shape) for name, tensor in models[0].items()}
    for number, model in enumerate(models[1:], start=2):
        shapes = {name: tuple(tensor.shape) for name, tensor in model.items()}
        differing = sorted(name for name, _ in first.items() ^ shapes.items())
        if differing:
            names = ", ".join(dict.fromkeys(differing))
            raise TrainerError(f"Model {number} is not built like model 1; they differ in {names[:300]}.")
