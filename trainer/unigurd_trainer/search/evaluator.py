"""The evaluator: merges a point into one module that stays, scores rows with it, and says how good it is."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from unigurd_sdk.nn.model import GuardModel
from unigurd_sdk.tokenizer import GuardTokenizer
from unigurd_trainer.batching import Collator
from unigurd_trainer.compute import Compute
from unigurd_trainer.errors import TrainerError
from unigurd_trainer.merge.apply import Gathered, gather
from unigurd_trainer.merge.merger import Merged, Merger
from unigurd_trainer.merge.method import MergeMethod, configured
from unigurd_trainer.merge.recipe import CandidateRecipe
from unigurd_trainer.merge.registry import find_method
from unigurd_trainer.merge.soup import Average
from unigurd_trainer.metrics import Labels, Scores
from unigurd_trainer.search.averages import alone
from unigurd_trainer.search.objective import choose_thresholds, f1s_of, mean_f1
from unigurd_trainer.search.outcome import Outcome
from unigurd_trainer.search.panel import Panel, make_panel, score
from unigurd_trainer.search.point import Point
from unigurd_trainer.search.recipe import SearchRecipe
from unigurd_trainer.search.rows import read_validation
from unigurd_trainer.search.space import INSTRUCTION, MERGE_TYPE, METHOD
from unigurd_trainer.search.splits import Judged, Split, Splits, first_of, make_splits

__all__ = ["Evaluator", "Job", "method_of", "open_splits"]


@dataclass(frozen=True, slots=True)
class Job:
    """All that another process needs to build an evaluator."""

    recipe: SearchRecipe
    candidates: tuple[CandidateRecipe, ...]
    data: Path | None
    threads: int = 0
    device: str = "cpu"

    def build(self) -> Evaluator:
        """Read candidates and rows."""
        if self.threads:
            torch.set_num_threads(self.threads)
        return Evaluator.open(self.recipe, self.candidates, open_splits(self.recipe, self.data), self.device)


def open_splits(recipe: SearchRecipe, data: Path | None) -> Splits:
    """Read the validation rows of a recipe and split them."""
    return make_splits(read_validation(recipe.rows, data), recipe.rows, recipe.objective)


def method_of(recipe: SearchRecipe, point: Point) -> MergeMethod:
    """The merge method of a point, with its options."""
    name = str(point[METHOD])
    return configured(find_method(name), **recipe.fixed(name), **point.options(name))


@dataclass(slots=True)
class Evaluator:
    """Measures points; not for several threads at once."""

    recipe: SearchRecipe
    candidates: tuple[CandidateRecipe, ...]
    splits: Splits
    gathered: Gathered
    model: GuardModel
    collate: Collator
    merger: Merger
    halves: tuple[Sequence[Judged], Sequence[Judged]]
    _panels: dict[tuple[str, str], Panel] = field(default_factory=dict)
    _alone: dict[str, dict[Split, Scores]] = field(default_factory=dict)

    @classmethod
    def open(
        cls, recipe: SearchRecipe, candidates: tuple[CandidateRecipe, ...], splits: Splits, device: str = "cpu"
    ) -> Evaluator:
        """Find the candidates and hold them in memory; `device` is where rows are scored. Raises as a merge does."""
        return cls.of(recipe, candidates, splits, _gathered(recipe, candidates), device)

    @classmethod
    def of(
        cls,
        recipe: SearchRecipe,
        candidates: tuple[CandidateRecipe, ...],
        splits: Splits,
        gathered: Gathered,
        device: str = "cpu",
    ) -> Evaluator:
        """Begin with models that are gathered."""
        top = gathered.top
        if top.config is None:
            raise TrainerError(f"{top.name} has no classification layer; name runs and checkpoints as candidates.")
        model = Compute(device).place(GuardModel(top.config).eval())
        longest = min(recipe.rows.max_text, top.config.encoder.positions)
        collate = Collator(
            GuardTokenizer.from_file(top.tokenizer_file),
            max_text=longest,
            max_line=min(recipe.rows.max_line, longest),
            slack=Compute(device).slack,
        )
        rows = splits.rows["search"]
        halves = first_of(rows, recipe.abort.rows) if recipe.abort else (rows, ())
        merger = Merger(gathered.ingredients, Average())
        return cls(recipe, candidates, splits, gathered, model, collate, merger, halves)

    def among(self, candidates: tuple[CandidateRecipe, ...]) -> Evaluator:
        """The same rows and module for other candidates, or for the same with F1."""
        gathered = _gathered(self.recipe, candidates)
        merger = Merger(gathered.ingredients, Average())
        return replace(self, candidates=candidates, gathered=gathered, merger=merger)

    def trial(self, point: Point, bar: float | None = None) -> Outcome:
        """Measure a point on the search split; below the `bar` on the first rows it is given up."""
        merging, start = self.merge(point), time.perf_counter()
        thresholds = self._thresholds(point)
        panel, rest = (self._panel(name, point) for name in ("first", "rest"))
        logits = self._score(panel)
        policies = f1s_of(panel, logits, thresholds)
        first = mean_f1(policies) if self.recipe.abort else None
        f1: float | None = None
        if bar is None or first is None or first >= bar:
            whole = joined(panel, rest)
            policies = f1s_of(whole, np.concatenate([logits, self._score(rest)]), thresholds)
            f1 = mean_f1(policies)
        return Outcome(f1, policies, first, thresholds, merging, time.perf_counter() - start)

    def alone(self, index: int) -> dict[Split, Scores]:
        """Logits of a candidate alone, as `logits` gives them; scored once."""
        sha256 = self.gathered.sources[index].sha256
        if sha256 not in self._alone:
            self._alone[sha256] = self.logits(alone(self.recipe, index, len(self.candidates)))
        return self._alone[sha256]

    def logits(self, point: Point) -> dict[Split, Scores]:
        """Logits of all rows of all splits under a point; rows of the search split as `trial` has them."""
        self.merge(point)
        search = np.concatenate([self._score(self._panel(name, point)) for name in ("first", "rest")])
        threshold = self._threshold_logits(point)
        return {"search": search, "threshold": threshold, "report": self._score(self._panel("report", point))}

    def threshold_scores(self, point: Point) -> tuple[Labels, Scores]:
        """Labels and logits of the threshold split under a point."""
        self.merge(point)
        panel = self._panel("threshold", point)
        return panel.labels, self._score(panel)

    def measure(self, point: Point, logits: Mapping[Split, Scores]) -> dict[str, dict[str, float]]:
        """F1 by group on the search and the report split, of `logits`, with the thresholds that they give."""
        thresholds = choose_thresholds(self._panel("threshold", point), logits["threshold"], self.recipe.threshold)
        search = joined(self._panel("first", point), self._panel("rest", point))
        report = self._panel("report", point)
        return {
            "search": f1s_of(search, logits["search"], thresholds),
            "report": f1s_of(report, logits["report"], thresholds),
        }

    def merged(self, point: Point) -> Merged:
        """The tensors of a point."""
        merger = self.merger.using(method_of(self.recipe, point))
        return merger.merge(point.weights, point[MERGE_TYPE])  # type: ignore[arg-type]

    def merge(self, point: Point) -> float:
        """Merge a point into the module; returns the seconds that it took."""
        start = time.perf_counter()
        merger = self.merger.using(method_of(self.recipe, point))
        merger.into(self.model, point.weights, point[MERGE_TYPE])  # type: ignore[arg-type]
        return time.perf_counter() - start

    def _thresholds(self, point: Point) -> list[float]:
        panel = self._panel("threshold", point)
        return choose_thresholds(panel, self._threshold_logits(point), self.recipe.threshold)

    def _threshold_logits(self, point: Point) -> Scores:
        """Logits of the threshold split; zeros, where the threshold is fixed."""
        panel = self._panel("threshold", point)
        return self._score(panel) if isinstance(self.recipe.threshold, str) else np.zeros(len(panel))

    def _score(self, panel: Panel) -> Scores:
        return score(self.model, panel, self.recipe.autocast) if len(panel) else np.empty(0)

    def _panel(self, part: str, point: Point) -> Panel:
        """The rows of a part under the point's wording, made once."""
        key = part, str(point[INSTRUCTION])
        if key not in self._panels:
            first, rest = self.halves
            parts: dict[str, Sequence[Judged]] = {"first": first, "rest": rest} | {**self.splits.rows}
            interaction = self.model.config.interaction
            self._panels[key] = make_panel(
                parts[part], self.splits.groups, self.collate, instruction=key[1], interaction=interaction
            ).to(next(self.model.parameters()).device)
        return self._panels[key]


def _gathered(recipe: SearchRecipe, candidates: tuple[CandidateRecipe, ...]) -> Gathered:
    """Read candidates, and their bases where any method needs these."""
    method = next((name for name in recipe.method if find_method(name).needs_base), "average")
    return gather(recipe.merge(candidates, method=method, options=recipe.fixed(method)), hold=True)


def joined(one: Panel, other: Panel) -> Panel:
    """Two panels as one."""
    return Panel(
        one.batches + other.batches,
        np.concatenate([one.labels, other.labels]),
        np.concatenate([one.groups, other.groups]),
        one.names,
    )
