"""Comparisons across searches: a sampler against random, and the parameters that were merged against one another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from unigurd_trainer import markdown
from unigurd_trainer.ablation.intervals import Mean, mean_of
from unigurd_trainer.search.finished import Finished
from unigurd_trainer.search.space import MERGE_TYPE

__all__ = [
    "Pairs",
    "against_random",
    "by_merge_type",
    "merge_type_table",
    "merge_types_json",
    "points",
    "sampler_table",
]

RANDOM = "random"
FOUND = "search"
SPLITS = ("search", "report")


@dataclass(frozen=True, slots=True)
class Pairs:
    """What a sampler found less what random sampling found, over searches that are otherwise equal.

    Attributes:
        search, report: Means of the differences of F1, on search rows and on report rows.
        better: Of how many pairs the sampler's F1 on search rows is higher.
    """

    search: Mean
    report: Mean
    better: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        means = {name: {"mean": mean.value, "half": _finite(mean)} for name, mean in self._means.items()}
        return {"pairs": self.search.count, "better": self.better, **means}

    @property
    def _means(self) -> dict[str, Mean]:
        return {"search": self.search, "report": self.report}


def against_random(finished: Sequence[Finished]) -> dict[str, Pairs]:
    """Compare each sampler with random sampling, paired by methods and seed; samplers without a pair are left out."""
    by_key: defaultdict[str, dict[tuple[Any, ...], Finished]] = defaultdict(dict)
    for each in finished:
        by_key[each.recipe.sampler][(each.recipe.method, each.recipe.seed)] = each
    floor = by_key.pop(RANDOM, {})
    paired = {name: [(own[key], floor[key]) for key in own if key in floor] for name, own in sorted(by_key.items())}
    return {name: _pairs(pairs) for name, pairs in paired.items() if pairs}


def by_merge_type(finished: Sequence[Finished]) -> dict[str, dict[str, Any]]:
    """Of each merge type: how many trials were scored on all search rows, the mean of their F1, and the best F1.

    The best of a type is a mean over those searches that tried it; of two types, the one tried more often has had
    more luck.
    """
    f1s: defaultdict[str, list[list[float]]] = defaultdict(list)
    for each in finished:
        own: defaultdict[str, list[float]] = defaultdict(list)
        for trial in each.trials:
            if trial.outcome.f1 is not None and not trial.cached:
                own[str(trial.point[MERGE_TYPE])].append(trial.outcome.f1)
        for name, values in own.items():
            f1s[name].append(values)
    return {name: _of_type(searches) for name, searches in sorted(f1s.items())}


def sampler_table(finished: Sequence[Finished]) -> str:
    """Samplers against random, as Markdown; empty if there is no pair."""
    rows = [
        [name, str(each.search.count), points(each.search), points(each.report), f"{each.better}"]
        for name, each in against_random(finished).items()
    ]
    head = ("sampler less random", "pairs", "search rows", "report rows", "better on search rows")
    return markdown.table(head, rows) if rows else ""


def merge_type_table(finished: Sequence[Finished]) -> str:
    """Merge types, as Markdown."""

    def rows() -> Iterator[list[str]]:
        for name, each in by_merge_type(finished).items():
            yield [name, str(each["trials"]), f"{100 * each['mean']:.2f}", points(each["best"])]

    return markdown.table(("merge type", "trials", "mean, search rows", "best, search rows"), rows())


def points(mean: Mean) -> str:
    """F1 x 100 and its interval."""
    half = "" if mean.count < 2 else f" ± {100 * mean.half:.2f}"
    return f"{100 * mean.value:.2f}{half}"


def _pairs(pairs: Sequence[tuple[Finished, Finished]]) -> Pairs:
    search, report = ([one.f1(FOUND, split) - other.f1(FOUND, split) for one, other in pairs] for split in SPLITS)
    return Pairs(mean_of(search), mean_of(report), sum(value > 0 for value in search))


def _of_type(searches: Sequence[Sequence[float]]) -> dict[str, Any]:
    scored: list[float] = [f1 for values in searches for f1 in values]
    return {"trials": len(scored), "mean": sum(scored) / len(scored), "best": mean_of([max(v) for v in searches])}


def merge_types_json(finished: Sequence[Finished]) -> dict[str, Any]:
    """The merge types as JSON."""
    return {
        name: each | {"best": each["best"].value, "half": _finite(each["best"])}
        for name, each in by_merge_type(finished).items()
    }


def _finite(mean: Mean) -> float | None:
    return None if mean.count < 2 else mean.half
