"""What a merge method is: the contract that built-in methods and those of plugins keep.

A method merges one tensor of K models at a time, block by block, in two steps. `prepare` learns what does not depend on
the models' weights and is small (where to trim, angles, masks); `combine` does the rest. A search prepares once and
combines in each of its trials.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import ValidationError
from torch import Tensor

from unigurd_trainer.errors import RecipeError
from unigurd_trainer.merge.vectors import blocks
from unigurd_trainer.recipe import Strict

__all__ = ["MergeMethod", "Site", "Sites", "configured"]


@dataclass(frozen=True, slots=True)
class Site:
    """One tensor of all models, block by block: float64 where the models are, else float32.

    Attributes:
        name: Of the tensor.
        tensors: The tensor of each of the K models, as a vector [n].
        bases: That of the base of each; empty if there are none.
        ids: What each model is called, for methods that draw random numbers.
    """

    name: str
    tensors: Sequence[Tensor]
    bases: Sequence[Tensor]
    ids: Sequence[str]

    @property
    def size(self) -> int:
        """Values in the tensor."""
        return len(self.tensors[0])

    def values(self) -> Iterator[tuple[Tensor, ...]]:
        """Yield the blocks of all models, side by side; they may be views of the models and are not to be changed."""
        return zip(*map(blocks, self.tensors), strict=True)

    def deltas(self) -> Iterator[tuple[Tensor, ...]]:
        """Yield the differences of all models to their bases, side by side."""
        return zip(*(self.delta(index) for index in range(len(self.tensors))), strict=True)

    def delta(self, index: int) -> Iterator[Tensor]:
        """Yield the difference of a model to its base: blocks of float32 that may be changed."""
        pairs = zip(blocks(self.tensors[index]), blocks(self.bases[index]), strict=True)
        return ((own - base).float() for own, base in pairs)


Sites = Callable[[], Iterable[Site]]
"""Gives one site after the other, anew each time."""


class MergeMethod(Strict, ABC):
    """A way to merge; its fields are its options.

    Attributes:
        name: What recipes call it.
        needs_base: Whether it merges differences to a base. What it yields is then added to the anchor: the base,
            unless models have bases of their own.
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

    def survey(self, sites: Sites) -> Any:  # noqa: ANN401 - each method's own
        """Learn about all merged tensors what `prepare` needs to know; only called if `surveys` says so."""
        return None

    def prepare(self, site: Site, survey: Any) -> Any:  # noqa: ANN401
        """Learn about one tensor what does not depend on the weights."""
        return None

    @abstractmethod
    def combine(self, site: Site, prepared: Any, weights: Sequence[float]) -> Iterable[Tensor]:  # noqa: ANN401
        """Merge one tensor with weights [K] that sum to 1; yields block by block, like the site."""


def configured(method: type[MergeMethod], **options: object) -> MergeMethod:
    """Build a method; an option that is unknown or out of range raises `RecipeError` that names it."""
    try:
        return method.model_validate(options)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise RecipeError(f"The options of {method.name!r} are wrong: {problems}.") from error
