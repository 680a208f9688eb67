"""Scans: everything that is scored for one text, the windows of all its readings.

One sentence in a window of 250 tokens is outvoted by the others (docs/hostile-inputs.md has the figures). So texts
that one window does not hold are read twice: in windows as long as the model takes, and in close ones, of a sentence or
two, that overlap by half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unigurd_sdk.errors import LimitExceeded
from unigurd_sdk.limits import Limits, check_size
from unigurd_sdk.template import Role
from unigurd_sdk.views import Reading, View, readings
from unigurd_sdk.windows import Span

if TYPE_CHECKING:
    from unigurd_sdk.segments import Segmenter, Segments


@dataclass(frozen=True, slots=True)
class Scan:
    """The windows of a text.

    Attributes:
        ids: Token ids of each window, special ones included.
        spans: The (start, end) characters of the text that each window was read from.
        parts: Runs of windows of one reading and one size, by the name of the reading, and how many they are; the
            first is the text itself.
        tokens: Tokens of the text itself, all of which are in its windows.
    """

    ids: tuple[list[int], ...]
    spans: tuple[Span, ...]
    parts: tuple[tuple[str, int], ...]
    tokens: int

    @property
    def views(self) -> tuple[str, ...]:
        """The readings that have windows, the text itself first."""
        return tuple(dict.fromkeys(name for name, _ in self.parts))


@dataclass(frozen=True, slots=True)
class Close:
    """Close windows: `segmenter` cuts them, of texts with more than `above` tokens, or that a window does not hold."""

    segmenter: Segmenter
    above: int | None

    def reads(self, segments: Segments) -> bool:
        """Say whether a text that was cut into these long windows is read in close ones too."""
        return len(segments.ids) > 1 if self.above is None else segments.tokens > self.above


@dataclass(frozen=True, slots=True)
class Scanner:
    """Reads a text in all ways and cuts the readings into windows."""

    segmenter: Segmenter
    views: tuple[View, ...]
    limits: Limits
    close: Close | None = None

    def scan(self, text: str, role: Role, prompt: str | None = None) -> Scan:
        """Cut a text. Of a reading by views, only windows that a view changed are kept, and none twice.

        Raises:
            LimitExceeded: The text or the prompt is over a limit.
            PluginError: A view failed.
        """
        check_size(text, self.limits.bytes)
        check_size(prompt or "", self.limits.bytes)
        cut = _Cut(self.limits.windows)
        tokens = self._take(cut, Reading(text), role, prompt)  # before the views: a text over the limit costs less
        for reading in readings(text, self.views, self.limits)[1:]:
            self._take(cut, reading, role, prompt)
        return Scan(tuple(cut.ids), tuple(cut.spans), tuple(cut.parts), tokens)

    def _take(self, cut: _Cut, reading: Reading, role: Role, prompt: str | None) -> int:
        """Cut a reading into windows of both sizes; return its tokens."""
        segments = self.segmenter.cut(reading.text, role, prompt)
        cut.add(reading, segments)
        if self.close is not None and self.close.reads(segments):
            cut.add(reading, self.close.segmenter.cut(reading.text, role, prompt))
        return segments.tokens


class _Cut:
    """Collects windows: all of the text itself, of other readings what a view changed, and none of these twice."""

    def __init__(self, most: int) -> None:
        self.ids: list[list[int]] = []
        self.spans: list[Span] = []
        self.parts: list[tuple[str, int]] = []
        self._seen: set[tuple[int, ...]] = set()
        self._most = most

    def add(self, reading: Reading, segments: Segments) -> None:
        """Take over the windows of a reading; more than `most` in all raise `LimitExceeded`."""
        before = len(self.ids)
        for ids, span in zip(segments.ids, segments.spans, strict=True):
            source, changed = reading.trace(*span)
            if not reading.steps or (changed and tuple(ids) not in self._seen):
                self.ids.append(ids)
                self.spans.append(source)
                self._seen.add(tuple(ids))
        if len(self.ids) > self._most:
            raise LimitExceeded("windows", limit=self._most, actual=len(self.ids))
        if len(self.ids) > before:
            self.parts.append((reading.name, len(self.ids) - before))
