"""The merger: the same models merged again and again, as a search does, or once.

What does not depend on the weights is learnt once, so that a trial costs no more than `combine`. Memory holds the
tensor that is being merged, and of the models what is being read.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from unigurd_trainer.errors import TrainerError
from unigurd_trainer.merge.ingredients import Ingredients
from unigurd_trainer.merge.method import MergeMethod, Site
from unigurd_trainer.merge.model import Model, shares
from unigurd_trainer.merge.selection import MergeType, select
from unigurd_trainer.merge.soup import Average
from unigurd_trainer.merge.vectors import blocks, flat, joined

__all__ = ["Merged", "Merger", "Preparations"]

_AVERAGE = Average()


@dataclass(slots=True)
class Preparation:
    """What was prepared with one set of options: of the whole model, and by tensor."""

    survey: Any = None
    tensors: dict[str, Any] = field(default_factory=dict)


class Preparations:
    """What was prepared with the `most` sets of options used last: small facts, of random masks a bit a value."""

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._known: OrderedDict[Hashable, Preparation] = OrderedDict()

    def find(self, key: Hashable) -> Preparation | None:
        """Return what was prepared under a key."""
        if key in self._known:
            self._known.move_to_end(key)
        return self._known.get(key)

    def add(self, key: Hashable, survey: Any) -> Preparation:  # noqa: ANN401 - each method's own
        """Begin a preparation, and drop the one that was not used for longest."""
        while len(self._known) >= self._most:
            self._known.popitem(last=False)
        self._known[key] = Preparation(survey)
        return self._known[key]


@dataclass(frozen=True, slots=True, eq=False)
class Merged(Mapping[str, Tensor]):
    """A merged model. A tensor is merged whenever it is asked for; `dict(merged)` merges all.

    Asking raises `TrainerError` if what comes out is not finite.
    """

    merger: Merger
    weights: tuple[float, ...]
    merge_type: MergeType
    selected: tuple[str, ...]

    def __iter__(self) -> Iterator[str]:
        return iter(self.merger.ingredients.names)

    def __len__(self) -> int:
        return len(self.merger.ingredients.names)

    def __getitem__(self, name: str) -> Tensor:
        rest = self.merger.ingredients.rest(name)
        if name not in self.selected:
            return rest.detach().to("cpu", copy=True)
        tensor = joined(self._parts(name), rest)
        if not math.isfinite(tensor.sum(dtype=torch.promote_types(tensor.dtype, torch.float32))):
            raise TrainerError(f"Merging gives values of {name} that are not finite; look for NaN in the models.")
        return tensor

    def _parts(self, name: str) -> Iterable[Tensor]:
        """Merge a tensor, block by block."""
        method, site = self._method(name), self.merger.ingredients.site(name)
        parts = method.combine(site, self._prepare(site), self.weights)
        if not method.needs_base or self.merger.ingredients.bases is None:
            return parts
        anchor = blocks(flat(self.merger.ingredients.bases.anchor[name]))
        return (part + base for part, base in zip(parts, anchor, strict=True))

    def _method(self, name: str) -> MergeMethod:
        """The method for a tensor: those that are absent from the base are averaged."""
        method = self.merger.method
        return method if not method.needs_base or self.merger.ingredients.has_base(name) else _AVERAGE

    def _prepare(self, site: Site) -> Any:  # noqa: ANN401 - each method's own
        known = self._preparation()
        if site.name not in known.tensors:
            known.tensors[site.name] = self._method(site.name).prepare(site, known.survey)
        return known.tensors[site.name]

    def _preparation(self) -> Preparation:
        method, prepared = self.merger.method, self.merger.prepared
        key = method.preparation, self.merge_type if method.surveys else None
        return prepared.find(key) or prepared.add(key, self._survey() if method.surveys else None)

    def _survey(self) -> Any:  # noqa: ANN401
        names = [name for name in self.selected if self._method(name) is self.merger.method]
        return self.merger.method.survey(lambda: map(self.merger.ingredients.site, names))


@dataclass(frozen=True, slots=True)
class Merger:
    """Merges models by a method. Not for several threads at once."""

    ingredients: Ingredients
    method: MergeMethod
    prepared: Preparations = field(default_factory=Preparations)

    def using(self, method: MergeMethod) -> Merger:
        """Return a merger by another method, or with other options, that shares what was prepared."""
        return replace(self, method=method)

    def merge(self, weights: Sequence[float], merge_type: MergeType = "all") -> Merged:
        """Merge with weights [K], which are scaled to a sum of 1; nothing is computed before it is asked for.

        Raises:
            TrainerError: The weights are not K numbers with a positive sum, the merge type selects nothing, or the
                method needs a base and there is none.
        """
        names = select(self.ingredients.names, merge_type)
        selected = tuple(name for name in names if self.ingredients.rest(name).is_floating_point())
        for name in selected if self.method.needs_base else ():
            self.ingredients.has_base(name)
        return Merged(self, tuple(shares(weights, len(self.ingredients.models))), merge_type, selected)

    def into(self, model: nn.Module, weights: Sequence[float], merge_type: MergeType = "all") -> None:
        """Merge into the parameters of a module, in place; one of other names or shapes is refused unchanged."""
        merged = self.merge(weights, merge_type)
        own, expected = model.state_dict(), self.ingredients.models[0]
        wrong = [name for name in {**own, **expected} if _shape(own, name) != _shape(expected, name)]
        if wrong:
            raise TrainerError(f"The module is not built like the models; they differ in {', '.join(wrong)[:300]}.")
        with torch.no_grad():
            for name, tensor in merged.items():
                own[name].copy_(tensor)


def _shape(model: Model, name: str) -> tuple[int, ...] | None:
    return tuple(model[name].shape) if name in model else None
