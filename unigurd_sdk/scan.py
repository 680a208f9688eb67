"""Scans: everything that is scored for one text, the windows of all its readings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unigurd_sdk.errors import LimitExceeded
from unigurd_sdk.limits import Limits, check_size
from unigurd_sdk.template import Role
from unigurd_sdk.views import Reading, View, readings
from unigurd_sdk.windows import Span

if TYPE_CHECKING:
    from unigurd_sdk.segments import Segmenter


@dataclass(frozen=True, slots=True)
class Scan:
    """The windows of a text.

    Attributes:
        ids: Token ids of each window, special ones included.
        spans: The (start, end) characters of the text that each window was read from.
        readings: The names of the readings that have windows, and how many each; the first is the text itself.
        tokens: Tokens of the text itself, all of which are in its windows.
    """

    ids: tuple[list[int], ...]
    spans: tuple[Span, ...]
    readings: tuple[tuple[str, int], ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class Scanner:
    """Reads a text in all ways and cuts the readings into windows."""

    segmenter: Segmenter
    views: tuple[View, ...]
    limits: Limits

    def scan(self, text: str, role: Role, prompt: str | None = None) -> Scan:
        """Cut a text. Of a reading by views, only windows that a view changed are kept, and none twice.

        Raises:
            LimitExceeded: The text or the prompt is over a limit.
            PluginError: A view failed.
        """
        check_size(text, self.limits.bytes)
        check_size(prompt or "", self.limits.bytes)
        raw, *others = readings(text, self.views, self.limits)
        first = self.segmenter.cut(raw.text, role, prompt)
        ids, spans, counts = [*first.ids], [*first.spans], [(raw.name, len(first.ids))]
        self._check(len(ids))
        seen = set(map(tuple, ids)) if others else set()
        for reading in others:
            before = len(ids)
            for window, span in self._changed(reading, role, prompt):
                if tuple(window) not in seen:
                    seen.add(tuple(window))
                    ids.append(window)
                    spans.append(span)
            self._check(len(ids))
            counts.append((reading.name, len(ids) - before))
        return Scan(tuple(ids), tuple(spans), tuple(each for each in counts if each[1]), first.tokens)

    def _changed(self, reading: Reading, role: Role, prompt: str | None) -> Iterator[tuple[list[int], Span]]:
        """Give the windows of a reading that a view changed, with the characters of the text that they come from."""
        cut = self.segmenter.cut(reading.text, role, prompt)
        for window, span in zip(cut.ids, cut.spans, strict=True):
            source, changed = reading.trace(*span)
            if changed:
                yield window, source

    def _check(self, windows: int) -> None:
        if windows > self.limits.windows:
            raise LimitExceeded("windows", limit=self.limits.windows, actual=windows)
