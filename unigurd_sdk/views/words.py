"""Common English words: what tells a text from its reverse, its rot13 and the digits that it is written with.

`words.txt` holds them most frequent first, one a line; `benchmarks/common_words.py` counted them in the permissive
training texts.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from math import log

__all__ = ["cover", "is_word", "split_words"]

_LONGEST = 18
_UNKNOWN = 12.0  # what a letter outside of any word costs; the rarest word costs less


def is_word(text: str) -> bool:
    """True for a common English word, in any case."""
    return text.lower() in _costs()


def cover(words: list[str]) -> float:
    """The share of letters that are in common words of two letters or more."""
    letters = sum(map(len, words))
    return sum(len(word) for word in words if len(word) > 1 and is_word(word)) / letters if letters else 0.0


def split_words(letters: str) -> list[str]:
    """Split letters without spaces into the likeliest words; time is linear in their number.

    The method is that of Norvig, "Natural Language Corpus Data", with costs by rank in place of counts.
    """
    costs, lower = _costs(), letters.lower()
    best, cuts = [0.0], [0]
    for end in range(1, len(lower) + 1):
        choices = [(best[end - 1] + _UNKNOWN, end - 1)]
        for start in range(max(0, end - _LONGEST), end):
            cost = costs.get(lower[start:end])
            if cost is not None:
                choices.append((best[start] + cost, start))
        cost, start = min(choices)
        best.append(cost)
        cuts.append(start)
    return _pieces(letters, cuts)


def _pieces(letters: str, cuts: list[int]) -> list[str]:
    pieces, end = [], len(letters)
    while end:
        pieces.append(letters[cuts[end] : end])
        end = cuts[end]
    return pieces[::-1]


@lru_cache(maxsize=1)
def _costs() -> dict[str, float]:
    """Map each word to its cost: by Zipf's law, the logarithm of its rank."""
    text = files("unigurd_sdk.views").joinpath("words.txt").read_text(encoding="ascii")
    words = text.split()
    scale = log(len(words))
    return {word: log((rank + 1) * scale) for rank, word in enumerate(words)}
