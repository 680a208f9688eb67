"""One guarded stream, without its input and output: what to judge when, and what may leave.

The synchronous and the asynchronous stream drive the same session; neither decides anything itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from unigurd_sdk.errors import PromptBlocked
from unigurd_sdk.judge import TOKEN_CHARS, Answer, Judge, located, worst
from unigurd_sdk.stream.held import Held
from unigurd_sdk.stream.pace import Pace

C = TypeVar("C")

OnViolation = Callable[[Answer], Sequence[C] | None]
"""What ends a stream at a violation: the last chunks. It may raise; None lets the stream go on."""


@dataclass(frozen=True, slots=True)
class Instead(Generic[C]):
    """Ends a stream with a chunk in place of what was held."""

    chunk: C

    def __call__(self, answer: Answer) -> Sequence[C]:
        """Return the chunk."""
        return [self.chunk]


def block(answer: Answer) -> Sequence[C]:
    """End a stream with an error."""
    raise PromptBlocked(answer)


class Session(Generic[C]):
    """The state of one guarded stream.

    Attributes:
        judge: What is asked about the text.
        pace: When it is asked.
        prompt: What the text answers, or None.
        verdict: The worst answer so far, with offsets in the whole stream; None before the first.
        tokens: Tokens of text judged so far, those of overlaps each time.
        stopped: Whether a violation ended the stream.
    """

    def __init__(
        self,
        judge: Judge,
        pace: Pace,
        read: Callable[[C], str],
        on_violation: OnViolation[C],
        prompt: str | None = None,
    ) -> None:
        """Judge by `judge` at `pace`; `read` gives the text of a chunk."""
        self.judge = judge
        self.pace = pace
        self.prompt = prompt
        self.verdict: Answer | None = None
        self.tokens = 0
        self.stopped = False
        self._on_violation = on_violation
        self._held: Held[C] = Held(pace, read, judge.offsets)
        self._last: Sequence[C] = ()
        self._ended = False
        self._failure: Exception | None = None

    def start(self) -> None:
        """Load the tokenizer and cut the prompt to its last `hold_back` tokens; before the first chunk, once."""
        room = self.pace.hold_back
        end = (self.prompt or "")[-room * TOKEN_CHARS :]
        offsets = self.judge.offsets(end)
        if self.prompt is not None:
            self.prompt = end[offsets[-room][0] :] if len(offsets) > room else end

    @property
    def done(self) -> bool:
        """True when nothing can come any more."""
        return self.stopped or self._ended

    def add(self, chunk: C) -> None:
        """Take a chunk of the source."""
        self._held.add(chunk, time.monotonic())

    def end(self, failure: Exception | None = None) -> None:
        """Take the end of the source, or the error that it ended with; what has come is still judged."""
        self._ended = True
        self._failure = failure

    def wait(self) -> float | None:
        """Return the seconds after which something must leave; None: no limit."""
        return self._held.wait(time.monotonic())

    def question(self) -> str | None:
        """Return the text to be judged now, or None. Then call `settle`, and in any case `leave`."""
        return self._held.question(whole=self._whole())

    def settle(self, answer: Answer) -> None:
        """Take the answer to the question."""
        self.tokens += worst(answer).tokens.scanned
        answer = located(answer, self._held.start)
        if self.verdict is None or _badness(answer) > _badness(self.verdict):
            self.verdict = answer
        self.stopped = answer.unsafe  # stays so if what follows raises
        last = self._on_violation(answer) if answer.unsafe else None
        self.stopped = last is not None
        if last is None:
            self._held.settle()
        else:
            self._last = last
            self._held.drop()

    def leave(self) -> Iterator[C]:
        """Give the chunks that may leave now; at the end of a source that failed, raise its error after them."""
        if self._whole():
            self._held.clear()
        yield from self._held.leave()
        yield from self._last
        if self._failure is not None and not self.stopped:
            raise self._failure

    def _whole(self) -> bool:
        """Say whether the margin must leave too: at the end, and when a chunk was held too long."""
        return self._ended or self.wait() == 0.0


def _badness(answer: Answer) -> tuple[bool, float]:
    verdict = worst(answer)
    return verdict.unsafe, verdict.score - verdict.threshold
