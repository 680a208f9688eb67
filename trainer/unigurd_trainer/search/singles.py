"""The candidates alone: measured once, so that the best take part and there is something to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from unigurd_trainer.merge.recipe import CandidateRecipe
from unigurd_trainer.search.averages import alone
from unigurd_trainer.search.evaluator import Evaluator
from unigurd_trainer.search.journal import Journal

__all__ = ["SINGLE", "Single", "measure_singles", "strongest"]

SINGLE = "single"
"""Kind of a candidate's record in the journal."""


@dataclass(frozen=True, slots=True)
class Single:
    """A candidate and what it reaches alone.

    Attributes:
        candidate: With its F1, as given or else on the search split, and the sha256 of its weights.
        search, report: F1 by policy on the two splits.
    """

    candidate: CandidateRecipe
    search: dict[str, float]
    report: dict[str, float]

    @property
    def f1(self) -> float:
        """Mean F1 on the search split."""
        return fmean(self.search.values())

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        own = self.candidate.model_dump(mode="json", exclude_none=True, exclude={"weight"})
        return own | {"search": self.search, "report": self.report}


def strongest(singles: Sequence[Single], most: int) -> tuple[Single, ...]:
    """Keep the `most` candidates of the best F1, in the order of the recipe; the first of equal ones."""
    ranked = sorted(range(len(singles)), key=lambda index: (-(singles[index].candidate.f1 or 0.0), index))
    return tuple(singles[index] for index in sorted(ranked[:most]))


def measure_singles(evaluator: Evaluator, journal: Journal) -> tuple[Single, ...]:
    """Measure each candidate of an evaluator; those that the journal has are taken from there."""
    recipe, sources = evaluator.recipe, evaluator.gathered.sources
    known = {record["index"]: record for record in journal.of_kind(SINGLE)}
    found = []
    for index, (candidate, source) in enumerate(zip(evaluator.candidates, sources, strict=True)):
        if index not in known:
            point = alone(recipe, index, len(sources))
            measured = evaluator.measure(point, evaluator.alone(index))
            known[index] = journal.add({"kind": SINGLE, "index": index, "path": candidate.path, **measured})
        single = Single(candidate, known[index]["search"], known[index]["report"])
        f1 = single.f1 if candidate.f1 is None else candidate.f1
        found.append(replace(single, candidate=candidate.model_copy(update={"f1": f1, "sha256": source.sha256})))
    return tuple(found)
