"""The one reading of all rows: tiers 1 and 2 collect what they need, and of a row only a few numbers stay."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from unigurd_trainer.dedup.components import Nodes
from unigurd_trainer.dedup.entry import Entry
from unigurd_trainer.dedup.exact import ExactIndex, normalised
from unigurd_trainer.dedup.lexical import LexicalIndex

__all__ = ["Reading"]

_BATCH = 512


class Reading:
    """What one pass over the rows leaves behind.

    Attributes:
        ids: The rows' ids.
        exact: All texts.
        lexical: The texts that are the first of their kind; `lexical_rows` says which rows they are.
    """

    def __init__(self, jaccard: float) -> None:
        self.ids: list[str] = []
        self.exact = ExactIndex()
        self.lexical = LexicalIndex(jaccard)
        self._labels, self._confidences, self._ties = array("b"), array("d"), array("q")
        self._scopes, self._fresh = array("q"), array("q")
        self._numbers: dict[str, int] = {}
        self._salts: list[int] = []

    def read(self, entries: Iterable[Entry]) -> None:
        """Read rows."""
        rest = iter(entries)
        while batch := list(islice(rest, _BATCH)):
            self._read(batch)

    def order(self) -> Nodes:
        """Return the rows in order of preference: most confident, then smallest id, then tie."""
        rows = np.argsort(np.array(self._ties, np.int64), kind="stable").tolist()
        rows.sort(key=self.ids.__getitem__)
        order = np.array(rows, np.int64)
        return order[np.argsort(-np.array(self._confidences)[order], kind="stable")]

    @property
    def labels(self) -> NDArray[np.int8]:
        """[N] labels."""
        return np.array(self._labels, np.int8)

    @property
    def scopes(self) -> Nodes:
        """[N] number of the scope."""
        return np.array(self._scopes, np.int64)

    @property
    def lexical_rows(self) -> Nodes:
        """The row of each text in `lexical`."""
        return np.array(self._fresh, np.int64)

    def _read(self, batch: Sequence[Entry]) -> None:
        start = len(self.ids)
        ids, written, labels, confidences, scopes, ties = zip(*batch, strict=True)
        self.ids += ids
        self._labels.extend(labels)
        self._confidences.extend(confidences)
        self._ties.extend(ties)
        numbers = [self._number(scope) for scope in scopes]
        self._scopes.extend(numbers)
        texts = [normalised(text) for text in written]
        fresh = self.exact.add(texts, labels, scopes)
        self._fresh.extend([start + place for place in fresh])
        salts = np.array([self._salts[numbers[place]] for place in fresh], np.uint64)
        self.lexical.add([texts[place] for place in fresh], salts)

    def _number(self, scope: str) -> int:
        number = self._numbers.setdefault(scope, len(self._salts))
        if number == len(self._salts):
            digest = hashlib.sha1(scope.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
            self._salts.append(int.from_bytes(digest[:8], "big"))
        return number
