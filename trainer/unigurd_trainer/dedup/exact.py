"""Tier 1: texts that are the same but for Unicode form, case and spacing."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence

import numpy as np

from unigurd_trainer.dedup.links import Pairs
from unigurd_trainer.leakage import normalised

__all__ = ["ExactIndex", "normalised"]

_LABELS = (b"\0", b"\1")


class ExactIndex:
    """Remembers a 120-bit hash of each text, scope and label; about 200 bytes each, however long the text."""

    def __init__(self) -> None:
        self._first: dict[bytes, int] = {}
        self._left, self._right = array("q"), array("q")
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, texts: Sequence[str], labels: Sequence[int], scopes: Sequence[str]) -> list[int]:
        """Add N texts, as `normalised` returns them; they are numbered from 0 over all calls.

        Args:
            texts: The texts.
            labels: [N] 0 or 1.
            scopes: [N] texts of different scopes are never the same.

        Returns:
            Which of the N are the first with their text, scope and label.
        """
        fresh, first, start = [], self._first, self._size
        for place, (text, label, scope) in enumerate(zip(texts, labels, scopes, strict=True)):
            key = hashlib.sha1(f"{scope}\0{text}".encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()[:15]
            row = start + place
            same, other = first.setdefault(key + _LABELS[label], row), first.get(key + _LABELS[1 - label])
            if same == row:
                fresh.append(place)
            else:
                self._note(same, row)
            if other is not None:
                self._note(other, row)
        self._size += len(texts)
        return fresh

    def pairs(self) -> Pairs:
        """Return the pairs of equal texts: each with the first of its label, and with the first of the other."""
        left, right = np.array(self._left, np.int64), np.array(self._right, np.int64)
        return Pairs(left, right, np.ones(len(left)))

    def _note(self, earlier: int, row: int) -> None:
        self._left.append(earlier)
        self._right.append(row)
