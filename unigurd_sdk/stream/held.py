"""The text of a stream that has not left yet, and the chunks that it came in."""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from unigurd_sdk.stream.pace import CHARACTERS, Pace
from unigurd_sdk.windows import Span

C = TypeVar("C")

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_OPEN = re.compile("(?:[^\\W\u2e80-\U0010ffff]|[\u00ad\u0300-\u036f\u200b-\u200d\ud800-\udbff])+\\Z")  # no ideographs
_WORD_REACH = 32
_JOINERS = frozenset("\u200c\u200d\u20e3")


@dataclass(slots=True)
class _Chunk(Generic[C]):
    """A chunk: where its text ends in the stream, and when it came (on the clock of the stream)."""

    item: C
    end: int
    came: float


class Held(Generic[C]):
    """A buffer that lets out only what was judged.

    Positions count the characters of the stream. `text` is everything that has not left, after some that has. All
    before `judged` was in a judged text, all before `cleared` may leave, and all before `left` has left:
    `start <= left <= cleared <= judged <= total`, where `text` begins at `start`.
    """

    def __init__(self, pace: Pace, read: Callable[[C], str], offsets: Callable[[str], Sequence[Span]]) -> None:
        """Hold chunks: `read` gives the text of one, `offsets` the tokens of a text."""
        self.pace = pace
        self.text = ""
        self.start = self.left = self.cleared = self.judged = 0
        self._read = read
        self._offsets = offsets
        self._chunks: deque[_Chunk[C]] = deque()
        self._tokens = 0
        self._asked = (0, 0)

    @property
    def total(self) -> int:
        """Characters that have come."""
        return self.start + len(self.text)

    def add(self, item: C, now: float) -> None:
        """Take a chunk; one whose text is no str raises TypeError."""
        text = self._read(item)
        if not isinstance(text, str):
            raise TypeError(f"The text of a chunk must be a str, not {type(text).__name__}. See text=.")
        self.text += text
        self._chunks.append(_Chunk(item, self.total, now))

    def wait(self, now: float) -> float | None:
        """Return the seconds until the oldest chunk has been held too long; None: no limit, or nothing is held."""
        if self.pace.max_delay is None or not self._chunks:
            return None
        return max(0.0, self._chunks[0].came + self.pace.max_delay - now)

    def question(self, *, whole: bool) -> str | None:
        """Return the text to judge, if enough is new: up to the last whole word, or with `whole` anything at all.

        Surrogates that came in different chunks are put together. After the judgement, call `settle`.
        """
        end = len(self.text) - (0 if whole else _unfinished(self.text))
        fresh = self.text[self.judged - self.start : end]
        size = self._size(fresh)
        if not fresh or not (whole or self.pace.due(size, self._tokens)):
            return None
        self._asked = (self.start + end, size)
        return _PAIR.sub(_character, self.text[:end])

    def settle(self) -> None:
        """Let out the text that was judged, but for its margin."""
        self.judged, size = self._asked
        self._tokens += size
        text, margin = self.text[: self.judged - self.start], self.pace.margin
        offsets = self._offsets(text)
        if len(offsets) >= margin:
            self.cleared = max(self.cleared, self.start + _whole(text, offsets[-margin][0]))
        self._forget(offsets)

    def clear(self) -> None:
        """Let out the margin too."""
        self.cleared = self.judged

    def leave(self) -> Iterator[C]:
        """Take out the chunks that may leave, in order; a str is cut where it may leave in part."""
        while self._chunks and self._chunks[0].end <= self.cleared:
            chunk = self._chunks.popleft()
            self.left = chunk.end
            yield chunk.item
        first = self._chunks[0] if self._chunks and self.cleared > self.left else None
        if first is not None and isinstance(first.item, str):
            text, size = str(first.item), self.cleared - self.left
            first.item, self.left = cast("C", text[size:]), self.cleared
            yield cast("C", text[:size])

    def drop(self) -> None:
        """Forget all that is held."""
        self._chunks.clear()
        self.start, self.text = self.total, ""

    def _size(self, text: str) -> int:
        """Count tokens; a text that is due by its characters alone is not tokenised, since it may be of any length."""
        size = len(text) // CHARACTERS
        return size if size >= self.pace.stride or not text else max(size, len(self._offsets(text)))

    def _forget(self, offsets: Sequence[Span]) -> None:
        """Drop the text that no judgement needs any more: all but `hold_back` tokens before what is held."""
        held = self.cleared - self.start
        before = [start for start, _ in offsets if start < held]
        at = before[-self.pace.hold_back] if len(before) >= self.pace.hold_back else 0
        at = max(_word(self.text, at), held - CHARACTERS * self.pace.hold_back)
        self.text, self.start = self.text[at:], self.start + at


def _character(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16", "surrogatepass").decode("utf-16")


def _unfinished(text: str) -> int:
    """Return the characters of a word that may go on; none if it is too long to wait for its end."""
    end = _OPEN.search(text[-_WORD_REACH - 1 :])
    size = 0 if end is None else len(end[0])
    return size if size <= _WORD_REACH else 0


def _whole(text: str, at: int) -> int:
    """Move a cut to the left until it does not split what is read as one character."""
    while 0 < at < len(text) and _continues(text[at - 1], text[at]):
        at -= 1
    return at


def _continues(left: str, right: str) -> bool:
    modifier = 0x1F3FB <= ord(right) <= 0x1F3FF
    low = "\udc00" <= right <= "\udfff"
    flags = all(0x1F1E6 <= ord(each) <= 0x1F1FF for each in (left, right))
    return modifier or low or flags or left == "\u200d" or right in _JOINERS or unicodedata.category(right)[0] == "M"


def _word(text: str, at: int) -> int:
    """Move a position to the left to the beginning of a word, if that is near."""
    near = re.search(r"\S*\Z", text[max(0, at - _WORD_REACH) : at])
    reach = len(near[0]) if near is not None else 0
    return at - reach if reach < min(at, _WORD_REACH) or reach == at else at
