"""Tables of searches: each sampler and method over its seeds, at equal budgets (the paper's Table 4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from unigurd_trainer import markdown
from unigurd_trainer.ablation.intervals import mean_of
from unigurd_trainer.search.comparisons import (
    against_random,
    merge_type_table,
    merge_types_json,
    points,
    sampler_table,
)
from unigurd_trainer.search.finished import Finished, require_equal, series_of

__all__ = ["report", "summary", "write"]

ITERATION_1, LAST, SINGLE = "iteration 1", "search", "single best"

Measure = Callable[[Finished], float]

_HEAD = (
    "sampler, method", "seeds", "iteration 1", "last", "gain", "over single best", "last, search rows", "gap",
    "seconds a trial",
)  # fmt: skip

_REFERENCES = (SINGLE, "uniform soup", "greedy soup", "prediction ensemble")


def write(finished: Sequence[Finished], out: Path) -> dict[str, Any]:
    """Write OUT.md and OUT.json; raises `RecipeError` unless the searches can be compared."""
    require_equal(finished)
    out.parent.mkdir(parents=True, exist_ok=True)
    found = summary(finished)
    out.with_name(f"{out.name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    out.with_name(f"{out.name}.md").write_text(report(finished), encoding="utf-8")
    return found


def report(finished: Sequence[Finished]) -> str:
    """The tables as Markdown, F1 x 100 with 95 % intervals over seeds."""
    first = finished[0]
    rows = sum(first.result["rows"]["report"].values())
    parts = [
        f"F1 x 100 of the unsafe class on {rows} report rows, mean over {len(first.policies(SINGLE))} policies, after "
        f"{first.result['trials']} trials; ± is the 95 % interval over seeds.\n\n{_series_table(finished)}",
        f"What needs no search:\n\n{_reference_table(first)}",
        f"By policy:\n\n{_policy_table(finished)}",
        f"By what was merged, over all searches:\n\n{merge_type_table(finished)}",
    ]
    if samplers := sampler_table(finished):
        parts.append(f"Samplers against random sampling, by the same methods with the same seeds:\n\n{samplers}")
    return "\n".join(parts)


def summary(finished: Sequence[Finished]) -> dict[str, Any]:
    """The numbers of the tables, as JSON: of each series means, half-widths of 95 % intervals, and single values."""
    first = finished[0]
    found = {
        name: {measure: _numbers(runs, value) for measure, value in _MEASURES.items()}
        for name, runs in series_of(finished).items()
    }
    references = {
        name: {split: first.f1(name, split) for split in ("search", "report")}
        for name in _REFERENCES
        if name in first.result["references"]
    }
    counts = {"trials": first.result["trials"], "rows": first.result["rows"]}
    compared = {
        "merge_types": merge_types_json(finished),
        "against_random": {name: pairs.to_dict() for name, pairs in against_random(finished).items()},
    }
    return {**counts, "rows_hash": first.result["rows_hash"], "references": references, "series": found, **compared}


_MEASURES: dict[str, Measure] = {
    "iteration_1": lambda one: one.f1(ITERATION_1),
    "last": lambda one: one.f1(LAST),
    "gain": lambda one: one.f1(LAST) - one.f1(ITERATION_1),
    "over_single_best": lambda one: one.f1(LAST) - one.f1(SINGLE),
    "last_search_rows": lambda one: one.f1(LAST, "search"),
    "gap": lambda one: one.f1(LAST, "search") - one.f1(LAST),
    "seconds_a_trial": lambda one: sum(one.result["seconds"][key] for key in ("merge", "evaluation")) / len(one.trials),
}


def _numbers(runs: Sequence[Finished], measure: Measure) -> dict[str, Any]:
    values = [measure(run) for run in runs]
    mean = mean_of(values)
    return {"mean": mean.value, "half": None if mean.count < 2 else mean.half, "values": values}


def _series_table(finished: Sequence[Finished]) -> str:
    def rows() -> Iterator[list[str]]:
        for name, runs in series_of(finished).items():
            means = {key: mean_of([measure(run) for run in runs]) for key, measure in _MEASURES.items()}
            seconds = means.pop("seconds_a_trial")
            yield [name, str(len(runs)), *map(points, means.values()), f"{seconds.value:.1f}"]

    return markdown.table(_HEAD, rows())


def _reference_table(one: Finished) -> str:
    names = [name for name in _REFERENCES if name in one.result["references"]]
    rows = ([name, f"{100 * one.f1(name, 'search'):.2f}", f"{100 * one.f1(name):.2f}"] for name in names)
    return markdown.table(("", "search rows", "report rows"), rows)


def _policy_table(finished: Sequence[Finished]) -> str:
    """One row for the best candidate, and two for each series: the first iteration and the last."""
    policies = sorted(finished[0].policies(SINGLE))

    def rows() -> Iterator[list[str]]:
        yield _policy_row(SINGLE, finished[:1], SINGLE, policies)
        for name, runs in series_of(finished).items():
            yield _policy_row(f"{name}, iteration 1", runs, ITERATION_1, policies)
            yield _policy_row(f"{name}, last", runs, LAST, policies)

    return markdown.table(("", *policies, "mean"), rows())


def _policy_row(title: str, runs: Sequence[Finished], reference: str, policies: Sequence[str]) -> list[str]:
    by_policy = [mean_of([run.policies(reference)[policy] for run in runs]) for policy in policies]
    return [title, *map(points, by_policy), points(mean_of([run.f1(reference) for run in runs]))]
