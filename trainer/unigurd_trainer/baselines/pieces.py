"""A text longer than a service takes, in overlapping pieces that together hold all of it."""

from __future__ import annotations

__all__ = ["OVERLAP", "pieces"]

OVERLAP = 200
"""Characters that two neighbours share, so that no sentence is only cut."""


def pieces(text: str, longest: int) -> list[str]:
    """Cut a text into pieces of at most `longest` characters; a text that fits is its only piece."""
    step = max(1, longest - OVERLAP)
    last = max(len(text) - OVERLAP, 1)
    return [text[start : start + longest] for start in range(0, last, step)] if len(text) > longest else [text]
