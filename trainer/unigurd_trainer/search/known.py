"""What is known from another search: the same candidates on the same rows need not be measured again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unigurd_trainer.errors import RecipeError
from unigurd_trainer.search.journal import Journal, read_journal
from unigurd_trainer.search.references import REFERENCE
from unigurd_trainer.search.singles import SINGLE
from unigurd_trainer.search.space import METHOD

__all__ = ["take_known"]

SAME = ("weights", "rows", "measures")
"""What two searches must have in common for a candidate to measure the same in both."""


def take_known(journal: Journal, other: Path) -> int:
    """Copy what another journal says of candidates, soups and the ensemble into one without measurements.

    Returns how many records were copied; none if `journal` has measurements of its own.

    Raises:
        DataError: `other` is no journal.
        RecipeError: It is of other candidates or rows, or F1 was taken otherwise.
    """
    header, *records = read_journal(other)
    differing = [key for key in SAME if header.get(key) != journal.records[0].get(key)]
    if differing:
        raise RecipeError(f"{other} knows nothing of this search: they differ in {', '.join(differing)}.")
    if len(journal.records) > 1:
        return 0
    return sum(bool(journal.add(record)) for record in records if _holds(record))


def _holds(record: Mapping[str, Any]) -> bool:
    """Say whether a record is of candidates or of plain averages, which no other setting of a search changes."""
    if record["kind"] != REFERENCE:
        return bool(record["kind"] == SINGLE)
    what = record["what"]
    return what == "ensemble" or "members" in what or what["choices"].get(METHOD) == "average"
