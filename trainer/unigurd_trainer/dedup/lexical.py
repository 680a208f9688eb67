"""Tier 2: texts that share most of their wording, by MinHash and locality-sensitive hashing.

Each text becomes a signature of 128 minima over the hashes of its 3-word shingles, cut into 16 bands of 8. Two texts
with Jaccard similarity s agree in some band with probability 1 - (1 - s**8)**16: .95 at .8, .61 at .7. Those that do
are compared by their shingles themselves.

One pass over the texts keeps 128 bytes of bands and 8 bytes per shingle (at most 8 KiB) of each; the texts
themselves are not kept. The signatures are those of rensa (R-MinHash); its own index is not used, because it answers
which rows have a partner but not which, and takes ten times the memory of the bands.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from unigurd_trainer.dedup.components import Nodes
from unigurd_trainer.dedup.extra import load
from unigurd_trainer.dedup.links import Pairs
from unigurd_trainer.dedup.shingles import MOST, Hashes, Shingles, shingle

__all__ = ["BANDS", "PERMUTATIONS", "THRESHOLD", "LexicalIndex", "jaccard"]

PERMUTATIONS = 128
BANDS = 16
THRESHOLD = 0.8

_SEED = 42
_BATCH = 512  # rows: the signatures of a batch are Python integers for a moment, which should fit the cache
_CHARACTERS = 1 << 20
_WINDOW = 32  # neighbours in a bucket that a text is compared with; only crowded buckets have more
_COMPARED = 1 << 14
_LOW = np.uint64(44)  # bits of a hash when the number of its pair is put above them
_MIX = np.uint64(0x9E3779B97F4A7C15)

Settled = Callable[[Nodes, Nodes], NDArray[np.bool_]]


class LexicalIndex:
    """Collects texts and finds the pairs among them that are alike.

    Args:
        threshold: Least Jaccard similarity of a pair.
    """

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self._sketch = load("rensa", purpose="Lexical de-duplication").RMinHash
        self._threshold = threshold
        self._shingles: list[Shingles] = []
        self._bands: list[Hashes] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, texts: Sequence[str], salts: Hashes | None = None) -> None:
        """Add N texts, as `leakage.normalised` returns them; they are numbered from 0 over all calls.

        Args:
            texts: The texts.
            salts: [N] texts with different salts are never alike.
        """
        salts = np.zeros(len(texts), np.uint64) if salts is None else salts
        for start, stop in _batches(texts):
            self._add(shingle(texts[start:stop], salts[start:stop]))

    def pairs(self, order: Nodes, settled: Settled) -> Iterator[Pairs]:
        """Find the pairs that are alike, some of them more than once.

        Args:
            order: [N] a number for each text, so that the answer does not depend on the order of adding.
            settled: Says which pairs need not be found any more; asked anew after each answer.
        """
        shingles = Shingles.joined(self._shingles)
        self._shingles = [shingles]
        wordless = np.flatnonzero(shingles.counts == 0)
        for band in range(BANDS if self._size else 0):
            for left, right in _candidates(self._keys(band), self._keys((band + 1) % BANDS), order, wordless):
                unknown = ~settled(left, right)
                found = jaccard(shingles, left[unknown], right[unknown])
                yield found.where(found.similarity >= self._threshold)

    def _add(self, shingles: Shingles) -> None:
        bounds = shingles.bounds.astype(np.uint64)
        signatures = self._sketch.digest_matrix_from_flat_token_hashes(shingles.hashes, bounds, PERMUTATIONS, _SEED)
        self._bands.append(_bands(signatures.to_rows()))
        self._shingles.append(shingles)
        self._size += len(shingles)

    def _keys(self, band: int) -> Hashes:
        return np.concatenate([part[:, band] for part in self._bands])


def jaccard(shingles: Shingles, left: Nodes, right: Nodes) -> Pairs:
    """Compare N pairs of texts by the Jaccard similarity of their sets of shingles.

    It is exact up to `MOST` shingles; beyond, it is estimated from the `MOST` smallest hashes of the union.
    """
    values = [np.zeros(0)]
    for start in range(0, len(left), _COMPARED):
        chosen = slice(start, start + _COMPARED)
        values.append(_jaccard(shingles.take(left[chosen]), shingles.take(right[chosen])))
    return Pairs(left, right, np.concatenate(values))


def _jaccard(one: Shingles, other: Shingles) -> NDArray[np.float64]:
    union, held = np.unique(np.concatenate([_sets(one), _sets(other)]), return_counts=True)
    pair = (union >> _LOW).astype(np.int64)
    sampled = np.maximum(one.counts, other.counts) >= MOST
    place = np.arange(len(union)) - np.searchsorted(pair, np.arange(len(one)))[pair]
    counted = ~sampled[pair] | (place < MOST)
    shared = np.bincount(pair[counted & (held == 2)], minlength=len(one))
    return np.asarray(shared / np.maximum(np.bincount(pair[counted], minlength=len(one)), 1))


def _sets(shingles: Shingles) -> Hashes:
    """Return the distinct shingles of each text as sorted numbers: the text above, 44 bits of the hash below."""
    text = np.repeat(np.arange(len(shingles), dtype=np.uint64), shingles.counts)
    return np.unique((text << _LOW) | (shingles.hashes >> (np.uint64(64) - _LOW)))


def _bands(rows: list[list[int]]) -> Hashes:
    """Hash each band of N signatures: [N, BANDS]."""
    flat = array("I")
    for row in rows:
        flat.fromlist(row)
    words = np.frombuffer(flat, np.uint32).view(np.uint64).reshape(len(rows), BANDS, -1)
    keys = np.zeros((len(rows), BANDS), np.uint64)
    for place in range(words.shape[2]):
        keys = (keys ^ words[:, :, place]) * _MIX
        keys ^= keys >> np.uint64(29)
    return keys


def _candidates(keys: Hashes, tie: Hashes, order: Nodes, never: Nodes) -> Iterator[tuple[Nodes, Nodes]]:
    """Yield pairs of rows with equal keys: all of them in small buckets, neighbours by `tie` and order in others."""
    rows = np.argsort(keys)
    twin = keys[rows[1:]] == keys[rows[:-1]]
    crowded = np.concatenate([[False], twin]) | np.concatenate([twin, [False]])
    crowded[np.isin(rows, never)] = False
    rows = rows[crowded]
    rows = rows[np.lexsort((order[rows], tie[rows], keys[rows]))]
    for distance in range(1, _WINDOW + 1):
        together = keys[rows[:-distance]] == keys[rows[distance:]]
        if not together.any():
            return
        yield rows[:-distance][together], rows[distance:][together]


def _batches(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Cut texts into runs of few rows and few characters."""
    start = characters = 0
    for row, text in enumerate(texts):
        if row - start == _BATCH or (characters and characters + len(text) > _CHARACTERS):
            yield start, row
            start, characters = row, 0
        characters += len(text)
    if start < len(texts):
        yield start, len(texts)
