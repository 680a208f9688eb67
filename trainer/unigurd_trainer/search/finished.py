"""Searches that ran: their results and trials, as tables and plots read them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unigurd_trainer.errors import DataError, RecipeError
from unigurd_trainer.search.journal import read_journal
from unigurd_trainer.search.recipe import SearchRecipe
from unigurd_trainer.search.trial import TRIAL, Trial

__all__ = ["Finished", "open_finished", "require_equal", "series_of"]


@dataclass(frozen=True, slots=True)
class Finished:
    """A search that ran to its end."""

    folder: Path
    result: Mapping[str, Any]
    trials: tuple[Trial, ...]

    @property
    def recipe(self) -> SearchRecipe:
        """What was searched."""
        return SearchRecipe.model_validate(self.result["recipe"])

    @property
    def series(self) -> str:
        """Sampler and methods: what is compared over several seeds."""
        return f"{self.recipe.sampler}, {' or '.join(self.recipe.method)}"

    @property
    def candidates(self) -> tuple[str, ...]:
        """Names of the candidates that took part."""
        return tuple(Path(path).name for path in self.result["kept"])

    def f1(self, reference: str, split: str = "report") -> float:
        """Mean F1 of a reference."""
        return float(self.result["references"][reference][split]["f1"])

    def policies(self, reference: str, split: str = "report") -> dict[str, float]:
        """F1 by policy of a reference."""
        return dict(self.result["references"][reference][split]["policies"])


def open_finished(folder: Path) -> Finished:
    """Read the folder of a search; one that is not finished raises `DataError`."""
    file = folder / "result.json"
    try:
        result = json.loads(file.read_bytes())
        trials = tuple(Trial.from_record(r) for r in read_journal(folder / "journal.jsonl") if r["kind"] == TRIAL)
        return Finished(folder, result, trials[: result["trials"]])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"not left by a finished `unigurd-train merge-search` ({error})", file=file) from error


def series_of(finished: Sequence[Finished]) -> dict[str, list[Finished]]:
    """Searches by series, those of other seeds together."""
    found: defaultdict[str, list[Finished]] = defaultdict(list)
    for each in finished:
        found[each.series].append(each)
    return dict(sorted(found.items()))


def require_equal(finished: Sequence[Finished]) -> None:
    """Raise `RecipeError` unless searches had the same trials, rows and candidates: only those can be compared."""
    if not finished:
        raise RecipeError("There is no search to compare; name folders that `unigurd-train merge-search` wrote.")
    for each in finished[1:]:
        for what, ours, theirs in zip(("trials", "rows", "candidates"), _terms(finished[0]), _terms(each), strict=True):
            if ours != theirs:
                raise RecipeError(f"{each.folder} has other {what} than {finished[0].folder}; compare like with like.")


def _terms(one: Finished) -> tuple[Any, ...]:
    hashes = [candidate["sha256"] for candidate in one.result["candidates"]]
    return one.result["trials"], one.result["rows_hash"], hashes
