"""What is merged: the models, what they started from, and where parameters come from that are not merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from unigurd_trainer.errors import TrainerError
from unigurd_trainer.merge.method import Site
from unigurd_trainer.merge.model import Model, no_base, require_alike, require_base
from unigurd_trainer.merge.selection import is_classifier
from unigurd_trainer.merge.vectors import flat

__all__ = ["Bases", "Ingredients", "Rest"]

Rest = int | Literal["base"]
"""Where parameters that are not merged come from: the candidate at an index, or the base."""


@dataclass(frozen=True, slots=True)
class Bases:
    """What differences are taken to: a base for each model, and the anchor that the merged difference is added to."""

    each: tuple[Model, ...]
    anchor: Model

    @classmethod
    def of(cls, base: Model | Sequence[Model], anchor: Model | None, count: int) -> Bases:
        """Read one base for `count` models, or one for each; without an anchor they have to be one.

        Raises:
            TrainerError: There are not as many bases, or there is no anchor where they differ.
        """
        each = (base,) * count if isinstance(base, Mapping) else tuple(base)
        if len(each) != count:
            raise TrainerError(f"{count} models need one base, or as many; there are {len(each)}.")
        if anchor is None and any(other is not each[0] for other in each):
            raise TrainerError("Models with bases of their own need an anchor, to which the differences are added.")
        return cls(each, each[0] if anchor is None else anchor)

    def have(self, name: str) -> bool:
        """Whether all of them have a tensor."""
        return name in self.anchor and all(name in base for base in self.each)


@dataclass(frozen=True, slots=True)
class Ingredients:
    """Models that can be merged; `of` checks that.

    Attributes:
        models: The K candidates; tensors are read when they are needed.
        bases: What they started from, if that is known.
        rest_from: Index of the model that parameters which are not merged come from, or "base".
        ids: What each is called, for methods that draw random numbers.
    """

    models: tuple[Model, ...]
    bases: Bases | None
    rest_from: Rest
    ids: tuple[str, ...]

    @classmethod
    def of(
        cls,
        models: Sequence[Model],
        base: Model | Sequence[Model] | None = None,
        *,
        anchor: Model | None = None,
        rest_from: Rest = 0,
        ids: Sequence[str] = (),
    ) -> Ingredients:
        """Put models together; put the best one first, or name it in `rest_from`.

        Names, shapes and types have to be alike. Only tensors of the classification layer may be absent from a base.
        Without `ids`, a model is called by its index.

        Raises:
            TrainerError: The models are not alike, a base or an anchor is missing or built otherwise, or an index is
                out of range.
        """
        require_alike(models)
        names = tuple(ids) or tuple(map(str, range(len(models))))
        if len(set(names)) != len(models):
            raise TrainerError(f"{len(models)} models need as many different ids: {list(names)}.")
        bases = None if base is None else Bases.of(base, anchor, len(models))
        if bases is not None:
            for each in {id(each): each for each in (*bases.each, bases.anchor)}.values():
                require_base(each, models[0])
        if rest_from == "base" and bases is None:
            raise TrainerError('rest_from="base" needs a base.')
        if rest_from != "base" and not 0 <= rest_from < len(models):
            raise TrainerError(f"rest_from must be an index from 0 to {len(models) - 1}, not {rest_from}.")
        return cls(tuple(models), bases, rest_from, names)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tensors."""
        return tuple(self.models[0])

    def has_base(self, name: str) -> bool:
        """Whether differences of a tensor can be taken.

        Raises:
            TrainerError: There is no base, or it lacks a tensor that is not of the classification layer.
        """
        if self.bases is None:
            raise no_base()
        present = self.bases.have(name)
        if not present and not is_classifier(name):
            raise TrainerError(f"The base has no {name}. Give the model that the candidates started from.")
        return present

    def site(self, name: str) -> Site:
        """Read a tensor of all models, and of their bases where these have it."""
        bases = self.bases.each if self.bases is not None and self.bases.have(name) else ()
        read = {key: flat(base[name]) for key, base in {id(base): base for base in bases}.items()}
        return Site(name, [flat(model[name]) for model in self.models], [read[id(base)] for base in bases], self.ids)

    def rest(self, name: str) -> Tensor:
        """Return a tensor that is not merged."""
        if self.rest_from == "base" and self.bases is not None and name in self.bases.anchor:
            return self.bases.anchor[name]
        return self.models[0 if self.rest_from == "base" else self.rest_from][name]
