"""Contexts: a text among others, and the part of a text that a window would show.

A guard reads long texts window by window. Alone, public data would teach it that long means unsafe (long rows are
mostly attacks) and never show it the middle of anything.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

__all__ = ["among", "slice_of"]

SEPARATORS = (" ", "\n", "\n\n", "\n- ", "\n\n---\n\n", " ... ", "\n> ", "\n\n## ")


def among(text: str, others: Sequence[str], rng: random.Random) -> str:
    """Return the text at a random place among the others, joined as paragraphs, lists or running text."""
    parts = list(others)
    parts.insert(rng.randint(0, len(parts)), text)
    return rng.choice(SEPARATORS).join(parts)


def slice_of(text: str, rng: random.Random, words: int) -> str:
    """Return `words` consecutive words from a random place of the text, or all of a text that has no more."""
    spans = text.split(" ")
    start = rng.randint(0, max(len(spans) - words, 0))
    return " ".join(spans[start : start + words])
