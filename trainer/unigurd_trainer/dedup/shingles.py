"""Word shingles as 64-bit hashes, for many texts at once and without a Python step per word.

Words are hashed by a polynomial modulo 2**64: with the running sum S of `byte[i] * BASE**i`, the hash of the bytes
from i to j is `(S[j] - S[i]) * BASE**-i`, wherever the word stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST", "Hashes", "Shingles", "shingle"]

Hashes = NDArray[np.uint64]

MOST = 1024
"""Of a text with more shingles, those with the smallest hashes are kept: a uniform sample (bottom-k sketch)."""

_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 2**64)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_HALF = np.uint64(32)
_SPACE, _NEWLINE = 0x20, 0x0A


@dataclass(frozen=True, slots=True)
class Shingles:
    """The shingles of N texts: those of text i are ``hashes[bounds[i]:bounds[i + 1]]``; they may repeat."""

    hashes: Hashes
    bounds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """[N] shingles of each text."""
        return np.diff(self.bounds)

    def take(self, texts: NDArray[np.int64]) -> Shingles:
        """Select texts, in the order given."""
        return Shingles(self.hashes[_ranges(self.bounds[texts], self.counts[texts])], _bounds(self.counts[texts]))

    @classmethod
    def joined(cls, parts: Sequence[Shingles]) -> Shingles:
        """Put several sets of texts one after the other."""
        if not parts:
            return cls(np.zeros(0, np.uint64), np.zeros(1, np.int64))
        counts = np.concatenate([part.counts for part in parts])
        return cls(np.concatenate([part.hashes for part in parts]), _bounds(counts))


def shingle(texts: Sequence[str], salts: Hashes, *, width: int = 3, most: int = MOST) -> Shingles:
    """Hash the runs of `width` words of N texts; a shorter text is one shingle, an empty one has none.

    Args:
        texts: The texts, as `leakage.normalised` returns them: words with single spaces between them.
        salts: [N] texts with different salts share no shingle.
        width: Words of a shingle.
        most: Shingles kept of a text; the smallest hashes stay.
    """
    words = _words(texts)
    starts, sizes = words.bounds[:-1], words.counts
    counts = np.maximum(sizes - (width - 1), np.minimum(sizes, 1))
    first, last = _ranges(starts, counts), np.repeat(starts + sizes, counts)
    hashes = np.repeat(salts, counts)
    for place in range(width):
        at = first + place
        word = np.where(at < last, words.hashes[np.minimum(at, last - 1)], np.uint64(0))
        hashes = _mixed(hashes + word)
    found = Shingles(hashes, _bounds(counts))
    return _sampled(found, most) if counts.size and int(counts.max()) > most else found


def _words(texts: Sequence[str]) -> Shingles:
    """Hash every word of every text."""
    joined = "".join(f"{text}\n" for text in texts).encode("utf-8", "surrogatepass")
    content = np.frombuffer(joined, np.uint8)
    ends = np.flatnonzero((content == _SPACE) | (content == _NEWLINE))
    starts = np.concatenate([np.zeros(min(len(ends), 1), np.int64), ends[:-1] + 1])
    powers, inverses = _powers(1 << max(len(content), 1).bit_length())
    sums = np.zeros(len(content) + 1, np.uint64)
    np.cumsum(content * powers[: len(content)], out=sums[1:])
    hashes = _mixed((sums[ends] - sums[starts]) * inverses[starts])
    present = ends > starts  # an empty text is one word without letters
    seen = np.concatenate([np.zeros(1, np.int64), np.cumsum(present)])
    lines = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(content[ends] == _NEWLINE) + 1])
    return Shingles(hashes[present], seen[lines])


@lru_cache(maxsize=1)
def _powers(size: int) -> tuple[Hashes, Hashes]:
    """Raise the base, and its inverse modulo 2**64, to the powers 0 to size - 1."""
    tables = []
    for base in (_BASE, _INVERSE):
        table = np.full(size, base, np.uint64)
        table[0] = 1
        tables.append(np.multiply.accumulate(table))
    return tables[0], tables[1]


def _sampled(shingles: Shingles, most: int) -> Shingles:
    parts = np.split(shingles.hashes, shingles.bounds[1:-1])
    kept = [part if len(part) <= most else np.unique(part)[:most] for part in parts]
    return Shingles(np.concatenate(kept), _bounds(np.array([len(part) for part in kept], np.int64)))


def _mixed(values: Hashes) -> Hashes:
    """Spread every bit over the whole word."""
    for _ in range(2):
        values = (values ^ (values >> _HALF)) * _MIX
    return np.asarray(values ^ (values >> _HALF))


def _ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Chain the ranges from starts[i] to starts[i] + counts[i]."""
    bounds = _bounds(counts)
    return np.arange(bounds[-1]) + np.repeat(starts - bounds[:-1], counts)


def _bounds(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
