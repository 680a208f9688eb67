"""Excerpts: texts from data made safe to show, whatever stands in them."""

from __future__ import annotations

__all__ = ["excerpt", "printable"]

_LONGEST = 240


def printable(text: str) -> str:
    """Return the text on one line, with a mark for every character that does not print.

    These are control codes (which terminals obey), direction marks (which hide the true order) and lone surrogates
    (which no file can hold).
    """
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in " ".join(text.split()))


def excerpt(text: str, longest: int = _LONGEST) -> str:
    """Return the start of a text, `printable`."""
    shown = printable(text[: 4 * longest])
    return shown if len(shown) <= longest else shown[: longest - 1].rstrip() + "\u2026"
