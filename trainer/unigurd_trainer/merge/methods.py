"""Merge methods: models of one architecture in, one model out.

A model is a mapping from name to tensor, which may read each tensor only when it is asked for (`Stored`). Names, shapes
and types have to be alike; weights are scaled to a sum of 1; tensors of integers are those of the first model. What
comes back has the types of the models, which are not changed.

`TrainerError` says what is wrong with models, weights or a base, `RecipeError` what is wrong with an option.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from unigurd_trainer.errors import TrainerError
from unigurd_trainer.merge.dare import Combination, Dare
from unigurd_trainer.merge.ingredients import Ingredients
from unigurd_trainer.merge.merger import Merger
from unigurd_trainer.merge.method import MergeMethod, configured
from unigurd_trainer.merge.model import Model, require_alike
from unigurd_trainer.merge.slerp import Gate, Mode, Slerp
from unigurd_trainer.merge.soup import Average, greedy_members, seed_weights
from unigurd_trainer.merge.stored import Stored
from unigurd_trainer.merge.task_vectors import TaskArithmetic
from unigurd_trainer.merge.ties import Election, Mean, Scope, Ties, Zeros

__all__ = [
    "Model",
    "Stored",
    "average",
    "dare",
    "greedy_soup",
    "require_alike",
    "seed_weights",
    "slerp",
    "task_arithmetic",
    "ties",
]


def average(models: Sequence[Model], weights: Sequence[float]) -> dict[str, Tensor]:
    """Average K models with weights [K]: the model soup, summed in float64.

    Source: Wortsman et al., https://arxiv.org/abs/2203.05482; with two models along one training run,
    https://arxiv.org/abs/2109.01903.
    """
    return _merged(Average(), Ingredients.of(models), weights)


def slerp(
    models: Sequence[Model],
    weights: Sequence[float],
    *,
    mode: Mode = "fold",
    gate: Gate = "below",
    threshold: float | None = None,
) -> dict[str, Tensor]:
    """Interpolate K models on the sphere, tensor by tensor; see `unigurd_trainer.merge.slerp.Slerp` for the options.

    Of two models, the weight of the second is the place on the arc.
    """
    return _merged(configured(Slerp, mode=mode, gate=gate, threshold=threshold), Ingredients.of(models), weights)


def task_arithmetic(
    models: Sequence[Model],
    weights: Sequence[float],
    base: Model | Sequence[Model],
    scale: float = 1.0,
    *,
    anchor: Model | None = None,
) -> dict[str, Tensor]:
    """Add the weighted differences of K models to their base, scaled by lambda.

    `base` is one model, or one for each; then `anchor` is what the differences are added to. Source: Ilharco et al.,
    https://arxiv.org/abs/2212.04089.
    """
    return _merged(configured(TaskArithmetic, scale=scale), _with_base(models, base, anchor), weights)


def ties(
    models: Sequence[Model],
    weights: Sequence[float],
    base: Model | Sequence[Model],
    density: float = 0.2,
    scale: float = 1.0,
    *,
    scope: Scope = "tensor",
    elect: Election = "weighted-mass",
    zeros: Zeros = "majority",
    mean: Mean = "weighted",
    anchor: Model | None = None,
) -> dict[str, Tensor]:
    """Trim the differences to the base, elect signs, and average what agrees; see `unigurd_trainer.merge.ties.Ties`.

    The max(1, floor(density n)) largest of n differences are kept, ties by index. `base` and `anchor` are as in
    `task_arithmetic`. Source: Yadav et al., https://arxiv.org/abs/2306.01708.
    """
    method = configured(Ties, density=density, scale=scale, scope=scope, elect=elect, zeros=zeros, mean=mean)
    return _merged(method, _with_base(models, base, anchor), weights)


def dare(
    models: Sequence[Model],
    weights: Sequence[float],
    base: Model | Sequence[Model],
    drop: float = 0.5,
    scale: float = 1.0,
    seed: int = 0,
    *,
    combination: Combination = "linear",
    elect: Election = "weighted-mass",
    zeros: Zeros = "majority",
    mean: Mean = "weighted",
    anchor: Model | None = None,
    ids: Sequence[str] = (),
) -> dict[str, Tensor]:
    """Drop differences to the base at random, rescale the rest, and combine; see `unigurd_trainer.merge.dare.Dare`.

    What is dropped depends on `seed`, the model's id (by default its index) and the tensor's name. `base` and `anchor`
    are as in `task_arithmetic`. Source: Yu et al., https://arxiv.org/abs/2311.03099.
    """
    options = {"combination": combination, "elect": elect, "zeros": zeros, "mean": mean}
    method = configured(Dare, drop=drop, scale=scale, seed=seed, **options)
    return _merged(method, _with_base(models, base, anchor, ids), weights)


def greedy_soup(
    models: Sequence[Model], f1s: Sequence[float], evaluate: Callable[[Model], float], strict: bool = False
) -> dict[str, Tensor]:
    """Average the models that a greedy choice keeps: best F1 first, each if the average does not lose by it.

    Args:
        models: K models.
        f1s: Their validation F1 [K].
        evaluate: Validation F1 of an average; called K - 1 times.
        strict: Whether the average has to gain.
    """
    if len(f1s) != len(models):
        raise TrainerError(f"{len(models)} models need as many F1, not {len(f1s)}.")
    members = greedy_members(f1s, lambda chosen: evaluate(_uniform(models, chosen)), strict=strict)
    return _uniform(models, members)


def _uniform(models: Sequence[Model], members: Sequence[int]) -> dict[str, Tensor]:
    return average([models[index] for index in members], [1.0] * len(members))


def _with_base(
    models: Sequence[Model], base: Model | Sequence[Model], anchor: Model | None, ids: Sequence[str] = ()
) -> Ingredients:
    return Ingredients.of(models, base if base is not None else {}, anchor=anchor, ids=ids)


def _merged(method: MergeMethod, ingredients: Ingredients, weights: Sequence[float]) -> dict[str, Tensor]:
    return dict(Merger(ingredients, method).merge(weights))
