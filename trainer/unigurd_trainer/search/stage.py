"""Stage search: candidates and validation rows in; the best merge out, with the journal of how it was found.

`run` measures the candidates alone, searches, measures what the outcome is compared with, and merges the best point by
the stage `merge`, whose recipe it leaves in ``best.toml``. Killed at any moment, it goes on from the journal.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unigurd_trainer.merge import apply
from unigurd_trainer.merge.model import digest
from unigurd_trainer.merge.recipe import MergeRecipe
from unigurd_trainer.recipe import read_recipe
from unigurd_trainer.search.averages import alone
from unigurd_trainer.search.deciding import set_threshold
from unigurd_trainer.search.evaluator import Evaluator, Job, open_splits
from unigurd_trainer.search.executor import Executor, Inline, Processes
from unigurd_trainer.search.journal import Journal
from unigurd_trainer.search.known import take_known
from unigurd_trainer.search.loop import Observe, Search, best_trial
from unigurd_trainer.search.point import Point
from unigurd_trainer.search.recipe import SearchRecipe
from unigurd_trainer.search.references import Measured, References
from unigurd_trainer.search.registry import find_sampler
from unigurd_trainer.search.sampler import configured_sampler
from unigurd_trainer.search.singles import Single, measure_singles, strongest
from unigurd_trainer.search.space import MERGE_TYPE, METHOD, Space
from unigurd_trainer.search.splits import Splits
from unigurd_trainer.search.toml import render_merge
from unigurd_trainer.search.trial import Trial
from unigurd_trainer.search.wording import require_wordings

__all__ = ["JOURNAL", "run"]

JOURNAL, RESULT, BEST, MERGED = "journal.jsonl", "result.json", "best.toml", "merged"
"""What a search leaves in its folder."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A search whose candidates are measured.

    Attributes:
        evaluator: Has only the candidates that take part.
        singles: The candidates that take part, best ones of `all_singles`.
    """

    recipe: SearchRecipe
    data: Path | None
    device: str
    journal: Journal
    evaluator: Evaluator
    singles: tuple[Single, ...]
    all_singles: tuple[Single, ...]

    @property
    def top(self) -> int:
        """Index of the best candidate on the search split."""
        f1s = [single.f1 for single in self.singles]
        return f1s.index(max(f1s))

    @property
    def space(self) -> Space:
        """Where to search."""
        f1s = tuple(single.candidate.f1 or 0.0 for single in self.singles)
        return Space(f1s, self.recipe.dimensions(), self.recipe.temperature)


def run(
    recipe: SearchRecipe,
    data: Path | None,
    out: Path,
    *,
    threads: int = 0,
    device: str = "cpu",
    known: Path | None = None,
    observe: Observe = lambda trial: None,
    stages: Callable[[str], None] = lambda stage: None,
) -> dict[str, Any]:
    """Search, or go on with a search; returns what `out`/result.json says of it.

    Args:
        recipe: What is searched.
        data: The data folder, if the recipe takes rows of it.
        out: Gets the journal, the result, the recipe of the best merge, and in ``merged`` that merge: a run if all
            candidates are runs, otherwise a checkpoint.
        threads: Of the processes, where there are several workers; 0 shares the cores among them.
        device: Where rows are scored: cpu, cuda or cuda:N.
        known: Folder of another search of these candidates on these rows, whose measurements of them are taken over.
        observe: Told of each new trial.
        stages: Told what begins.

    Raises:
        RecipeError: The recipe asks for something that cannot be done, or `out` holds another search.
        LeakageError: Rows of a test split were to choose.
        TrainerError: The candidates cannot be merged.
    """
    start = time.perf_counter()
    recipe.require_known()
    stages("reading rows and candidates")
    ready = prepare(recipe, data, out, stages, device, known)
    stages("searching")
    trials = _search(ready, threads, observe)
    stages("measuring what it is compared with")
    chosen = _choose(ready, trials)
    references = _references(ready, trials, chosen)
    stages("merging the best")
    result = _describe(ready, trials, chosen, references)
    result["merged"] = _merge(ready, chosen, out)
    result["seconds"] |= {"this_call": round(time.perf_counter() - start, 1)}
    (out / RESULT).write_text(json.dumps(result, indent=1), encoding="utf-8")
    return result


def prepare(
    recipe: SearchRecipe,
    data: Path | None,
    out: Path,
    stages: Callable[[str], None] = lambda stage: None,
    device: str = "cpu",
    known: Path | None = None,
) -> Ready:
    """Open rows, candidates and journal, and measure the candidates; raises as `run` does."""
    splits = open_splits(recipe, data)
    require_wordings(recipe.instructions, [row.policy for rows in splits.rows.values() for row in rows])
    evaluator = Evaluator.open(recipe, recipe.candidates, splits, device)
    journal = Journal(out / JOURNAL, _identity(recipe, evaluator, splits))
    if known is not None:
        take_known(journal, known / JOURNAL)
    stages("measuring the candidates alone")
    measured = measure_singles(evaluator, journal)
    kept = strongest(measured, recipe.most)
    again = evaluator.among(tuple(single.candidate for single in kept))
    return Ready(recipe, data, device, journal, again, kept, measured)


def _identity(recipe: SearchRecipe, evaluator: Evaluator, splits: Splits) -> dict[str, Any]:
    """What a journal belongs to."""
    return {
        "recipe": recipe.fingerprint,
        "weights": [source.sha256 for source in evaluator.gathered.sources],
        "bases": {name: source.sha256 for name, source in evaluator.gathered.bases.items()},
        "rows": splits.fingerprint,
        "measures": recipe.measures,
        "sampler": recipe.sampler,
        "method": list(recipe.method),
        "seed": recipe.seed,
    }


def _search(ready: Ready, threads: int, observe: Observe) -> list[Trial]:
    recipe, space = ready.recipe, ready.space
    sampler = configured_sampler(find_sampler(recipe.sampler), space, recipe.seed, recipe.sampler_options)
    margin = recipe.abort.margin if recipe.abort else None
    executor = _executor(ready, threads)
    try:
        search = Search(sampler, executor, ready.journal, ready.singles[ready.top].f1, margin, observe)
        return search.run(recipe.trials, recipe.workers)
    finally:
        executor.close()


def _executor(ready: Ready, threads: int) -> Executor:
    recipe = ready.recipe
    if recipe.workers == 1:
        return Inline(ready.evaluator)
    candidates = tuple(single.candidate for single in ready.singles)
    return Processes(Job(recipe, candidates, ready.data, threads, ready.device), recipe.workers)


def _choose(ready: Ready, trials: Sequence[Trial]) -> Point:
    """The point of the best trial, or if none beats it the best candidate alone."""
    best = best_trial(trials)
    if best is None or best.estimate <= ready.singles[ready.top].f1:
        return alone(ready.recipe, ready.top, len(ready.singles))
    return best.point


def _references(ready: Ready, trials: Sequence[Trial], chosen: Point) -> dict[str, Measured]:
    references, single = References(ready.evaluator, ready.journal), ready.singles[ready.top]
    point = alone(ready.recipe, ready.top, len(ready.singles))
    found = {
        "search": references.point(chosen),
        "single best": Measured(point, single.search, single.report),
        "iteration 1": references.point(trials[0].point),
    }
    if ready.recipe.references:
        found["uniform soup"] = references.uniform_soup()
        found["greedy soup"] = references.greedy_soup([single.f1 for single in ready.singles])
        found["prediction ensemble"] = references.ensemble()
    return found


def _describe(
    ready: Ready, trials: Sequence[Trial], chosen: Point, references: Mapping[str, Measured]
) -> dict[str, Any]:
    recipe, best = ready.recipe, best_trial(trials)
    fallback = chosen == alone(recipe, ready.top, len(ready.singles))
    seconds = {
        name: round(sum(getattr(trial.outcome, f"{name}_seconds") for trial in trials), 2)
        for name in ("merge", "evaluation")
    }
    return {
        "recipe": recipe.model_dump(mode="json", exclude_defaults=True),
        "recipe_hash": recipe.fingerprint,
        "rows_hash": ready.evaluator.splits.fingerprint,
        "rows": ready.evaluator.splits.counts(),
        "candidates": [single.to_dict() for single in ready.all_singles],
        "kept": [single.candidate.path for single in ready.singles],
        "trials": len(trials),
        "aborted": sum(trial.aborted for trial in trials),
        "best": {"trial": None if fallback or best is None else best.number, "point": chosen.to_dict()},
        "fallback": fallback,
        "gap": references["search"].gap,
        "references": {name: each.to_dict() for name, each in references.items()},
        "seconds": seconds,
        "versions": {package: version(package) for package in ("torch", "numpy", "unigurd-sdk")},
    }


def _merge(ready: Ready, chosen: Point, out: Path) -> dict[str, Any]:
    """Write the recipe of the best merge, and merge by what was written; a digest that differs is an error."""
    merge = _merge_recipe(ready, chosen)
    file = out / BEST
    file.write_text(render_merge(merge, f"The best merge of {out / JOURNAL}."), encoding="utf-8")
    merged = apply.run(read_recipe(file, MergeRecipe), out / MERGED)
    decided = set_threshold(ready.evaluator, chosen, out / MERGED)
    return {"folder": MERGED, **merged, "decision": decided}


def _merge_recipe(ready: Ready, point: Point) -> MergeRecipe:
    weighted = tuple(
        single.candidate.model_copy(update={"weight": weight})
        for single, weight in zip(ready.singles, point.weights, strict=True)
    )
    method = str(point[METHOD])
    return ready.recipe.merge(
        weighted,
        method=method,
        options=ready.recipe.fixed(method) | point.options(method),
        merge_type=point[MERGE_TYPE],
        expect=digest(dict(ready.evaluator.merged(point))),
    )
