"""What a merge method is: the contract that built-in methods and those of plugins keep.

A method merges one tensor of K models at a time, in two steps. `prepare` does what does not depend on the models'
weights (differences to the base, trims, masks, angles); `combine` does the rest. A search prepares once and combines in
each of its trials.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pydantic import ValidationError
from torch import Tensor

from unigurd_trainer.errors import RecipeError
from unigurd_trainer.merge.model import Model
from unigurd_trainer.merge.vectors import blocks
from unigurd_trainer.recipe import Strict

__all__ = ["MergeMethod", "Site", "configured"]


@dataclass(frozen=True, slots=True)
class Site:
    """One tensor of all models, as vectors [n]: float64 where the models are, else float32.

    Attributes:
        name: Of the tensor.
        models: The K models.
        bases: The base of each; empty if there are none.
        ids: What each model is called, for methods that draw random numbers.
    """

    name: str
    models: Sequence[Model]
    bases: Sequence[Model]
    ids: Sequence[str]

    def values(self) -> Iterator[Tensor]:
        """Yield the vector of each model, read when it is asked for."""
        return (_vector(model, self.name) for model in self.models)

    def delta(self, index: int) -> Tensor:
        """Return the difference of a model to its base, in float32, in memory of its own."""
        return _difference(*(_vector(side[index], self.name) for side in (self.models, self.bases)))

    def deltas(self) -> Iterator[Tensor]:
        """Yield the difference of each model to its base."""
        return (self.delta(index) for index in range(len(self.models)))


class MergeMethod(Strict, ABC):
    """A way to merge; its fields are its options.

    Attributes:
        name: What recipes call it.
        needs_base: Whether it merges differences to a base. Then `combine` returns a difference, which is added to the
            anchor: the base, unless models have bases of their own.
    """

    name: ClassVar[str]
    needs_base: ClassVar[bool] = False

    @property
    def surveys(self) -> bool:
        """Whether `survey` looks at all tensors before the first is prepared."""
        return False

    @property
    def preparation(self) -> Hashable:
        """The options that `prepare` depends on; methods of one class that agree in it share what was prepared."""
        return self

    def survey(self, sites: Sequence[Site]) -> Any:  # noqa: ANN401 - each method's own
        """Learn about all merged tensors what `prepare` needs to know; only called if `surveys` says so."""
        return None

    def prepare(self, site: Site, survey: Any) -> Any:  # noqa: ANN401
        """Do for one tensor what does not depend on the weights."""
        return list(site.deltas() if self.needs_base else site.values())

    @abstractmethod
    def combine(self, prepared: Any, weights: Sequence[float]) -> Tensor:  # noqa: ANN401
        """Merge what was prepared, with weights [K] that sum to 1; returns [n]."""


def configured(method: type[MergeMethod], **options: object) -> MergeMethod:
    """Build a method; an option that is unknown or out of range raises `RecipeError` that names it."""
    try:
        return method.model_validate(options)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise RecipeError(f"The options of {method.name!r} are wrong: {problems}.") from error


def _vector(model: Model, name: str) -> Tensor:
    tensor = model[name].detach().cpu().reshape(-1)
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _difference(values: Tensor, base: Tensor) -> Tensor:
    out = torch.empty_like(values, dtype=torch.float32)
    for part, one, other in blocks(out, values, base):
        torch.sub(one, other, out=part) if one.dtype == out.dtype else part.copy_(one - other)
    return out
