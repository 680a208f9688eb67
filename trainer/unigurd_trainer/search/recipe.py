"""The recipe of a search: what may be merged, how, on which rows it is judged, and how points are chosen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from unigurd_trainer.errors import RecipeError
from unigurd_trainer.merge.method import configured
from unigurd_trainer.merge.recipe import CandidateRecipe, MergeRecipe
from unigurd_trainer.merge.registry import find_method
from unigurd_trainer.merge.selection import MergeType
from unigurd_trainer.precision import Precision
from unigurd_trainer.recipe import Strict, read_recipe, recipe_hash
from unigurd_trainer.search.point import Value
from unigurd_trainer.search.registry import find_sampler
from unigurd_trainer.search.sampler import sampler_options
from unigurd_trainer.search.space import INSTRUCTION, MERGE_TYPE, METHOD

__all__ = ["MEAN", "AbortRecipe", "FileRecipe", "RowsRecipe", "SearchRecipe", "ThresholdRule", "read_search"]

MEAN = "mean"
"""Objective: the mean over policies."""

WRITTEN, DESCRIPTION = "written", "description"
"""Instructions: policies as they are, or only their description."""

ThresholdRule = Literal["shared", "own"]

Options = dict[str, dict[str, Any]]

_UNHASHED = {"trials", "precision", "name", "references"}
"""What may change when a search goes on."""


_MEASURES = {"objective", "threshold", "autocast", "instructions", "rows", "most"}
"""What F1 of a candidate depends on, beside its weights."""


class FileRecipe(Strict):
    """Rows of one's own under one policy: a file or folder as `unigurd-train finetune` reads it.

    ``held-out`` takes those that `finetune` with the same seed does not train on, ``all`` takes all.
    """

    path: str
    policy: str = Field(description="name, sentence, or YAML or TOML file")
    rows: Literal["held-out", "all"] = "held-out"
    seed: int = 0


class RowsRecipe(Strict):
    """Which validation rows measure, and how many of each split (see `unigurd_trainer.search.splits`)."""

    written: bool = Field(default=True, description="dev rows of written policies of the data folder")
    public: bool = Field(default=True, description="dev rows of public data of the data folder")
    files: tuple[FileRecipe, ...] = ()
    policies: tuple[str, ...] = Field(default=(), description="only rows of these; empty is all")
    search: int = Field(default=2000, gt=0, description="rows that trials are judged on")
    threshold: int = Field(default=500, gt=0, description="rows that thresholds are chosen on")
    report: int = Field(default=2000, gt=0, description="rows that nothing is chosen on")
    least: int = Field(default=20, gt=0, description="rows of each class that a policy needs to count by itself")
    max_text: int = Field(default=256, ge=16, description="tokens; longer texts are cut here, checks never are")
    max_line: int = Field(default=64, ge=8)


class AbortRecipe(Strict):
    """Successive halving in two steps: a trial that is behind on the first rows is given up."""

    rows: int = Field(default=256, gt=0, description="first rows")
    margin: float = Field(default=0.005, ge=0, description="how far behind the best trial is too far")


class SearchRecipe(Strict):
    """A search.

    `method` lists one method, or several of which each trial chooses one. In `options`, by method, a list of values is
    searched and anything else fixed: ``[options.ties]`` with ``density = [0.1, 0.2, 0.4]``. Candidates without `f1` are
    measured; beyond `most`, those of the best F1 take part.
    """

    name: str = Field(default="merged", min_length=1)
    candidates: tuple[CandidateRecipe, ...] = Field(min_length=2)
    base: str | None = None
    anchor: str | None = None
    chain: bool = False
    most: int = Field(default=6, ge=2)
    method: Annotated[tuple[str, ...], Field(min_length=1)] = ("average",)
    options: Options = Field(default_factory=dict)
    merge_types: Annotated[tuple[MergeType, ...], Field(min_length=1)] = (
        "all", "attention", "attn_output_fc", "no_classifier",
    )  # fmt: skip
    instructions: Annotated[tuple[str, ...], Field(min_length=1)] = (WRITTEN,)
    sampler: str = "thompson"
    sampler_options: dict[str, Any] = Field(default_factory=dict)
    trials: int = Field(default=50, gt=0)
    seed: int = 0
    workers: int = Field(default=1, gt=0, description="trials that run at the same time and know nothing of each other")
    objective: str = MEAN
    threshold: Annotated[float, Field(gt=0, lt=1)] | ThresholdRule = 0.5
    abort: AbortRecipe | None = None
    temperature: float | None = Field(default=None, gt=0, description="of the weights of the first iteration")
    autocast: Literal["bf16", "fp32"] = Field(default="bf16", description="of the evaluation")
    precision: Precision = Field(default="int8-weights", description="of a written checkpoint")
    references: bool = Field(default=True, description="also measure soups, and the ensemble of predictions")
    rows: RowsRecipe = RowsRecipe()

    @model_validator(mode="after")
    def _known_options(self) -> SearchRecipe:
        unknown = sorted(set(self.options) - set(self.method))
        if unknown:
            raise ValueError(f"options of {', '.join(unknown)}, which `method` does not list")
        given = [candidate.f1 is not None for candidate in self.candidates]
        if any(given) and not all(given):
            raise ValueError("give f1 for all candidates or for none")
        empty = [f"{name}.{key}" for name, options in self.options.items() for key, v in options.items() if v == []]
        if empty:
            raise ValueError(f"no values to search for {', '.join(empty)}")
        return self

    @property
    def fingerprint(self) -> str:
        """Hash (16 hex digits) of what must not change when a search goes on; the number of trials may."""
        return recipe_hash(self.model_dump(mode="json", exclude=_UNHASHED))

    @property
    def measures(self) -> str:
        """Hash (16 hex digits) of how F1 is taken of a candidate: what differs may not be compared."""
        return recipe_hash(self.model_dump(mode="json", include=_MEASURES))

    @property
    def needs_base(self) -> bool:
        """Whether any method merges differences to a base."""
        return any(find_method(name).needs_base for name in self.method)

    def dimensions(self) -> dict[str, tuple[Value, ...]]:
        """What is chosen in each trial beside the weights."""
        found: dict[str, tuple[Value, ...]] = {
            METHOD: self.method, MERGE_TYPE: self.merge_types, INSTRUCTION: self.instructions,
        }  # fmt: skip
        for name, options in self.options.items():
            found |= {f"{name}.{key}": tuple(value) for key, value in options.items() if isinstance(value, list)}
        return found

    def fixed(self, method: str) -> dict[str, Any]:
        """Options of a method that are not searched."""
        return {key: value for key, value in self.options.get(method, {}).items() if not isinstance(value, list)}

    def require_known(self) -> None:
        """Raise `RecipeError` unless sampler and methods are known, and take all values of their options."""
        sampler_options(find_sampler(self.sampler), self.sampler_options)
        for name in self.method:
            method, fixed = find_method(name), self.fixed(name)
            configured(method, **fixed)
            searched = {key: value for key, value in self.options.get(name, {}).items() if key not in fixed}
            for key, values in searched.items():
                for value in values:
                    configured(method, **fixed, **{key: value})
        if self.needs_base and self.base is None and any(each.base is None for each in self.candidates):
            raise RecipeError("A method of the search merges differences: name the `base` the candidates started from.")

    def merge(self, candidates: tuple[CandidateRecipe, ...], **changes: Any) -> MergeRecipe:  # noqa: ANN401
        """The recipe of one merge of these candidates."""
        values = {
            "name": self.name, "method": "average", "base": self.base, "anchor": self.anchor, "chain": self.chain,
            "precision": self.precision, "candidates": candidates,
        }  # fmt: skip
        return MergeRecipe.model_validate(values | changes)


def read_search(file: Path, changes: Mapping[str, Any]) -> SearchRecipe:
    """Read a recipe and change it; options of methods that a change leaves out go with them.

    Raises:
        RecipeError: The file is bad, or what comes out is.
    """
    loaded = read_recipe(file, SearchRecipe)
    if methods := changes.get("method"):
        kept = {name: options for name, options in loaded.options.items() if name in methods}
        changes = {"options": kept} | {**changes}
    return read_recipe(file, SearchRecipe, **changes)
