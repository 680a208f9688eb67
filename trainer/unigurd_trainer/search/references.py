"""What a search is compared with: single models, soups, and the ensemble of predictions, on the same rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from unigurd_trainer.merge.soup import greedy_members
from unigurd_trainer.metrics import Scores
from unigurd_trainer.search.averages import alone, average_point
from unigurd_trainer.search.evaluator import Evaluator
from unigurd_trainer.search.journal import Journal
from unigurd_trainer.search.point import Point
from unigurd_trainer.search.splits import Split

__all__ = ["REFERENCE", "Measured", "References"]

REFERENCE = "reference"
"""Kind of its record in the journal."""


@dataclass(frozen=True, slots=True)
class Measured:
    """F1 by policy on the search and the report split; `point` is what was merged, if one model was."""

    point: Point | None
    search: Mapping[str, float]
    report: Mapping[str, float]

    @property
    def gap(self) -> float:
        """Optimism: F1 on the rows that were searched on, less that on rows that nothing was chosen on."""
        return fmean(self.search.values()) - fmean(self.report.values())

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "point": None if self.point is None else self.point.to_dict(),
            "search": {"f1": fmean(self.search.values()), "policies": dict(self.search)},
            "report": {"f1": fmean(self.report.values()), "policies": dict(self.report)},
            "gap": self.gap,
        }


@dataclass(frozen=True, slots=True)
class References:
    """Measures what a search is compared with, each once: the journal keeps it."""

    evaluator: Evaluator
    journal: Journal

    def point(self, point: Point) -> Measured:
        """Measure a point on all rows of both splits."""
        found = self._find(point.to_dict()) or self._keep(point.to_dict(), self.evaluator.logits(point), point)
        return Measured(point, found["search"], found["report"])

    def uniform_soup(self) -> Measured:
        """The plain average of all candidates."""
        return self.point(self._average(range(self._count)))

    def greedy_soup(self, f1s: Sequence[float]) -> Measured:
        """The average of those that a greedy choice by F1 on the search split keeps (see `greedy_members`)."""
        return self.point(self._average(greedy_members(f1s, self._search_f1)))

    def ensemble(self) -> Measured:
        """The mean of the logits of all candidates: K times the cost of a check, and what merging might reach."""
        if found := self._find("ensemble"):
            return Measured(None, found["search"], found["report"])
        recipe, splits = self.evaluator.recipe, dict[Split, Scores]()
        for index in range(self._count):
            logits = self.evaluator.alone(index)
            splits = {split: splits.get(split, np.zeros(len(each))) + each for split, each in logits.items()}
        means = {split: total / self._count for split, total in splits.items()}
        found = self._keep("ensemble", means, alone(recipe, 0, self._count))
        return Measured(None, found["search"], found["report"])

    def _search_f1(self, members: Sequence[int]) -> float:
        """F1 of an average on the search split alone."""
        what = {"members": list(members)}
        found = self._find(what)
        if found is None:
            policies = dict(self.evaluator.trial(self._average(members)).policies)
            found = self.journal.add({"kind": REFERENCE, "what": what, "search": policies})
        return fmean(found["search"].values())

    @property
    def _count(self) -> int:
        return len(self.evaluator.candidates)

    def _average(self, members: Sequence[int]) -> Point:
        weights = [float(index in members) for index in range(self._count)]
        return average_point(self.evaluator.recipe, weights)

    def _find(self, what: object) -> dict[str, Any] | None:
        records = self.journal.of_kind(REFERENCE)
        return next((record for record in records if record["what"] == json.loads(json.dumps(what))), None)

    def _keep(self, what: object, logits: Mapping[Split, Scores], point: Point) -> dict[str, Any]:
        measured = self.evaluator.measure(point, logits)
        return self.journal.add({"kind": REFERENCE, "what": what, **measured})
