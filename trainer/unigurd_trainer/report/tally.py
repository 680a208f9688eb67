"""Tallies: what can be counted row by row, in one pass and little memory."""

from __future__ import annotations

import unicodedata
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from unigurd_trainer.dedup.records import Record

__all__ = ["FIELDS", "LENGTHS", "Lengths", "Split", "Tally"]

FIELDS = ("policy", "role", "language", "script", "difficulty", "behaviour", "source", "licence", "generator")
LENGTHS = (1, 5, 9, 17, 33, 65, 129, 257, 513)
"""First number of words of each bin of `Lengths`."""

UNSTATED = "(not stated)"
_LETTERS = 200  # of a text, to find its script


@dataclass(frozen=True, slots=True)
class Split:
    """Rows of each label that have one value of a field."""

    value: str
    safe: int
    unsafe: int

    @property
    def rows(self) -> int:
        """Rows of both labels."""
        return self.safe + self.unsafe


@dataclass(frozen=True, slots=True)
class Lengths:
    """Words of the texts of one label.

    Attributes:
        bins: Texts in each bin of `LENGTHS`.
        quantiles: Least, 25 %, median, 75 %, most; zeros where there is no text.
    """

    bins: tuple[int, ...]
    quantiles: tuple[int, ...]


class Tally:
    """Counts of rows by label, for every field of `FIELDS`, and lengths."""

    def __init__(self) -> None:
        self.labels = [0, 0]
        self.flipped = 0
        self._fields: Mapping[str, tuple[Counter[str], Counter[str]]] = {
            name: (Counter(), Counter()) for name in FIELDS
        }
        self._words = (array("I"), array("I"))

    def add(self, record: Record) -> None:
        """Count one record."""
        self.labels[record.label] += 1
        self.flipped += record.flipped
        self._words[record.label].append(len(record.text.split()))
        for name, counters in self._fields.items():
            value = script(record.text) if name == "script" else getattr(record, name)
            counters[record.label][value or UNSTATED] += 1

    def table(self, field: str) -> tuple[Split, ...]:
        """Return the values of a field, the most frequent first; empty if no row states any."""
        safe, unsafe = self._fields[field]
        names = set(safe) | set(unsafe)
        if names <= {UNSTATED}:
            return ()
        splits = (Split(name, safe[name], unsafe[name]) for name in names)
        return tuple(sorted(splits, key=lambda split: (-split.rows, split.value)))

    def lengths(self, label: int) -> Lengths:
        """Return the lengths of the texts of a label."""
        words = np.array(self._words[label], np.int64)
        place = np.searchsorted(LENGTHS, words, side="right") - 1
        bins = np.bincount(np.maximum(place, 0), minlength=len(LENGTHS))
        quantiles = np.quantile(words, (0, 0.25, 0.5, 0.75, 1), method="lower") if len(words) else np.zeros(5)
        return Lengths(tuple(bins.tolist()), tuple(int(value) for value in quantiles))


def script(text: str) -> str:
    """Name the script of most letters at the start of a text, such as Latin or Cyrillic; empty without letters."""
    found = Counter(_script(letter) for letter in text[:_LETTERS] if letter.isalpha())
    return max(sorted(found), key=found.__getitem__) if found else ""


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    return unicodedata.name(letter, "unknown").partition(" ")[0].capitalize()
