"""Rewrites: a changed text that still knows where each part of it stood before the change."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

__all__ = ["Rewrite", "replace_spans", "substitute"]

Span = tuple[int, int]


def _positions() -> array[int]:
    return array("q")


@dataclass(frozen=True, slots=True, eq=False)
class Rewrite:
    """A text made from another one of `length` characters by replacing parts of it.

    The i-th part stood at `starts[i]`..`ends[i]` and stands at `new_starts[i]`..`new_ends[i]`; parts are in order and
    do not overlap, and what is between them is unchanged.
    """

    text: str
    length: int
    starts: array[int] = field(default_factory=_positions)
    ends: array[int] = field(default_factory=_positions)
    new_starts: array[int] = field(default_factory=_positions)
    new_ends: array[int] = field(default_factory=_positions)

    @classmethod
    def whole(cls, source: str, text: str) -> Rewrite:
        """A text of which only the whole is known to come from the whole of `source`."""
        starts, ends, new_ends = array("q", [0]), array("q", [len(source)]), array("q", [len(text)])
        return cls(text, len(source), starts, ends, starts, new_ends)

    def source(self, start: int, end: int) -> Span:
        """Where the characters `start`..`end` come from; a replaced part comes from all of what it replaced."""
        return self._source_start(start), self._source_end(end)

    def changed(self, start: int, end: int) -> bool:
        """True if a replaced part lies in, or borders on, the characters `start`..`end`."""
        first = bisect_left(self.new_ends, start)
        return first < len(self.new_starts) and self.new_starts[first] <= end

    def _source_start(self, position: int) -> int:
        part = bisect_right(self.new_starts, position) - 1
        if position == 0 or part < 0:
            return position
        beyond = position - self.new_ends[part]
        return self.starts[part] if beyond < 0 else self.ends[part] + beyond

    def _source_end(self, position: int) -> int:
        if position >= len(self.text):
            return self.length
        part = bisect_left(self.new_starts, position) - 1
        return position if part < 0 else self.ends[part] + max(position - self.new_ends[part], 0)


def substitute(pattern: re.Pattern[str], text: str, new: Callable[[re.Match[str]], str | None]) -> Rewrite | None:
    """Replace every match by what `new` makes of it, or leave it where that is None; None if nothing changed."""
    return replace_spans(text, ((match.start(), match.end(), new(match)) for match in pattern.finditer(text)))


def replace_spans(text: str, spans: Iterable[tuple[int, int, str | None]]) -> Rewrite | None:
    """Replace parts (start, end, new text), which come in order and do not overlap; None if nothing changed."""
    pieces: list[str] = []
    starts, ends, new_starts, new_ends = _positions(), _positions(), _positions(), _positions()
    done = grown = 0
    for start, end, new in spans:
        if new is None or new == text[start:end]:
            continue
        pieces += (text[done:start], new)
        starts.append(start)
        ends.append(end)
        new_starts.append(start + grown)
        grown += len(new) - (end - start)
        new_ends.append(end + grown)
        done = end
    if not pieces:
        return None
    pieces.append(text[done:])
    return Rewrite("".join(pieces), len(text), starts, ends, new_starts, new_ends)
