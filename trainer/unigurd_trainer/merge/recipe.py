"""The recipe of a merge: what is merged, how, and what has to come out."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from unigurd_trainer.errors import RecipeError
from unigurd_trainer.merge.ingredients import Rest
from unigurd_trainer.merge.method import MergeMethod, configured
from unigurd_trainer.merge.model import shares
from unigurd_trainer.merge.registry import find_method
from unigurd_trainer.merge.selection import MergeType
from unigurd_trainer.merge.soup import seed_weights
from unigurd_trainer.precision import Precision, Weights
from unigurd_trainer.recipe import Strict, recipe_hash

__all__ = ["CandidateRecipe", "MergeRecipe"]

SHA256 = Field(default=None, pattern="^[0-9a-f]{64}$")


class CandidateRecipe(Strict):
    """One of the models.

    `path` is the folder of a run or a checkpoint, or the name of a checkpoint; `take` says which weights of a run.
    `base` is what it started from, where that is not the recipe's base: the paper takes a MultiTaskGuard's difference
    to the weights that instruction pretraining left. `sha256`, of the weights file, refuses any other file.
    """

    path: str
    weight: float | None = Field(default=None, ge=0)
    f1: float | None = Field(default=None, ge=0, le=1, description="on validation data")
    base: str | None = None
    take: Weights = "best"
    sha256: str | None = SHA256


class MergeRecipe(Strict):
    """A merge.

    Weights are given for all candidates or for none; then they follow from the F1 (see `seed_weights`), and without
    these they are equal. `base` and `anchor` name a run, a checkpoint, or a pretrained encoder (``base:NAME``).
    Parameters that are not merged come from the candidate of the best F1 (``top``; the first one, if no F1 are given),
    the one at an index, or the base. `expect`, the digest of the merged tensors, refuses any other outcome.
    """

    name: str = Field(min_length=1)
    method: str
    options: dict[str, Any] = Field(default_factory=dict, description="of the method")
    merge_type: MergeType = "all"
    rest_from: Rest | Literal["top"] = "top"
    base: str | None = None
    anchor: str | None = Field(
        default=None,
        description="what differences are added to; by default the one base that candidates name, or `base`",
    )
    temperature: float | None = Field(default=None, gt=0, description="of weights that follow from F1")
    chain: bool = Field(default=False, description="the candidates started from one another: count their past once")
    precision: Precision = Field(default="int8-weights", description="of a written checkpoint")
    expect: str | None = SHA256
    candidates: tuple[CandidateRecipe, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _all_or_none(self) -> MergeRecipe:
        for field in ("weight", "f1"):
            given = [getattr(candidate, field) is not None for candidate in self.candidates]
            if any(given) and not all(given):
                raise ValueError(f"give {field} for all candidates or for none")
        return self

    @property
    def weights(self) -> list[float]:
        """Weights [K] that sum to 1; bad ones raise `TrainerError`."""
        given = [candidate.weight for candidate in self.candidates if candidate.weight is not None]
        if not given and self._f1s:
            return seed_weights(self._f1s, self.temperature)
        return shares(given or [1.0] * len(self.candidates), len(self.candidates))

    @property
    def top(self) -> int:
        """Index of the candidate of the best F1."""
        return self._f1s.index(max(self._f1s)) if self._f1s else 0

    @property
    def fingerprint(self) -> str:
        """Hash (16 hex digits) of the recipe's values."""
        return recipe_hash(self.model_dump(mode="json"))

    @property
    def _f1s(self) -> list[float]:
        return [candidate.f1 for candidate in self.candidates if candidate.f1 is not None]

    def build_method(self) -> MergeMethod:
        """Build the method with its options; an unknown one, or a bad option, raises `RecipeError`."""
        return configured(find_method(self.method), **self.options)

    def bases(self, *, needed: bool) -> tuple[list[str], str] | None:
        """Name the base of each candidate, and the anchor; None if there are none and none are `needed`.

        Raises:
            RecipeError: A base is missing, or candidates have several bases and there is no anchor.
        """
        named = [candidate.base or self.base for candidate in self.candidates]
        bases = [name for name in named if name is not None]
        if not bases and not needed:
            return None
        if len(bases) < len(named):
            raise RecipeError(
                f"The method {self.method!r} merges differences: name the `base` that the candidates started from."
            )
        own = {candidate.base for candidate in self.candidates if candidate.base is not None}
        anchor = self.anchor or (own.pop() if len(own) == 1 else self.base if not own else None)
        if anchor is None:
            raise RecipeError(f"The candidates have several bases ({', '.join(sorted(own))}); name the `anchor`.")
        return bases, anchor
