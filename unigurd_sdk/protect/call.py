"""One call of a protected function: what is checked before it, and after it."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from unigurd_sdk.conversation.messages import last_of_user
from unigurd_sdk.conversation.method import check_conversation
from unigurd_sdk.judge import Answer, Judge
from unigurd_sdk.protect.argument import Argument
from unigurd_sdk.protect.reaction import Reaction, Stop
from unigurd_sdk.stream.guarded import AsyncGuardedStream, GuardedStream
from unigurd_sdk.stream.method import guarded, pace_of
from unigurd_sdk.timed import aside
from unigurd_sdk.written import text_of


@dataclass(frozen=True, slots=True)
class Protection:
    """How a function is protected; see `Guard.protect`."""

    argument: Argument | None
    before: Judge | None
    after: Judge | None
    reaction: Reaction
    roles: Collection[str]
    text: Callable[[Any], str] | None
    hold_back: int | None
    max_delay: float | None

    def call(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> Call:
        """Begin a call."""
        return Call(self, None if self.argument is None else self.argument(args, kwargs))


@dataclass(frozen=True, slots=True)
class Call:
    """One call, with the argument that is the prompt: a text or messages."""

    protection: Protection
    value: object

    def admit(self) -> Stop | None:
        """Check what goes in."""
        return None if self.protection.before is None else self.protection.reaction(self._asked(self.protection.before))

    async def aadmit(self) -> Stop | None:
        """Check what goes in, in a worker thread."""
        judge = self.protection.before
        if judge is None:
            return None
        answer = (
            await judge.acheck(self.value) if isinstance(self.value, str) else await aside(partial(self._asked, judge))
        )
        return self.protection.reaction(answer)

    def release(self, result: object) -> object:
        """Check what comes out: a text, an answer of a library, or an iterator over chunks."""
        judge = self.protection.after
        if judge is None:
            return result
        if isinstance(result, (Iterator, AsyncIterable)):
            return self.stream(result, judge)
        if inspect.isawaitable(result):
            getattr(result, "close", lambda: None)()
            raise TypeError("A protected function returned an awaitable; make the function `async def`.")
        stop = self.protection.reaction(judge.check(self._text(result), self._prompt()))
        return result if stop is None else stop.value

    async def arelease(self, result: object) -> object:
        """Check what comes out, in a worker thread."""
        judge = self.protection.after
        if judge is None:
            return result
        if isinstance(result, (Iterator, AsyncIterable)):
            return self.stream(result, judge)
        stop = self.protection.reaction(await judge.acheck(self._text(result), self._prompt()))
        return result if stop is None else await settled(stop)

    def stream(self, chunks: object, judge: Judge) -> GuardedStream[Any] | AsyncGuardedStream[Any]:
        """Check the chunks that come out."""
        protection, prompt = self.protection, self._prompt()
        pace = pace_of(judge, protection.hold_back, protection.max_delay, prompt)
        return guarded(chunks, judge, pace, self._ending, text=protection.text, prompt=prompt)

    def _asked(self, judge: Judge) -> Answer:
        if isinstance(self.value, str):
            return judge.check(self.value)
        return check_conversation(judge, _messages(self.value), roles=self.protection.roles).worst.verdict

    def _prompt(self) -> str | None:
        """Return what the result answers: the argument, or the last message of a user in it."""
        if self.value is None or isinstance(self.value, str):
            return self.value
        return last_of_user(_messages(self.value))

    def _text(self, result: object) -> str:
        return (self.protection.text or text_of)(result)

    def _ending(self, answer: Answer) -> list[Any] | None:
        stop = self.protection.reaction(answer)
        return None if stop is None else last_chunks(stop)


def _messages(value: object) -> Sequence[object]:
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return value
    raise TypeError(
        f"The argument to check must be a str or a list of messages, not {type(value).__name__}. "
        "Say which one it is with argument=."
    )


def last_chunks(stop: Stop) -> list[Any]:
    """Return what a generator gives instead: the value, or nothing if that is None."""
    return [] if stop.value is None else [stop.value]


async def settled(stop: Stop) -> object:
    """Return the value, awaited if the reaction is asynchronous."""
    return await stop.value if inspect.isawaitable(stop.value) else stop.value
