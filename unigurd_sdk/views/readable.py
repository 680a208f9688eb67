"""Whether bytes are a text that somebody wrote: the test that every decoder applies to what it found."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["readable"]

_WRITTEN = 0.6
_PRINTABLE = 0.95


def readable(data: Iterable[int]) -> str | None:
    """Decode bytes as UTF-8 (or UTF-16, as PowerShell writes it); None if that is not mostly words."""
    raw = bytes(data)
    encoding = "utf-16-le" if len(raw) > 1 and raw[1::2].count(0) * 4 > len(raw) else "utf-8"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        return None
    return text if _written(text) else None


def _written(text: str) -> bool:
    """True if most characters are letters, digits and spaces, three at least are letters, and nearly all print."""
    spaces = sum(map(str.isspace, text))
    enough = sum(map(str.isalnum, text)) + spaces >= _WRITTEN * len(text)
    shown = sum(map(str.isprintable, text)) + spaces >= _PRINTABLE * len(text)
    return enough and shown and sum(map(str.isalpha, text)) >= 3
