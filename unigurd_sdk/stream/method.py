"""The method `Guard.stream`."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any, TypeVar, overload

from unigurd_sdk.errors import ConfigError
from unigurd_sdk.judge import Judge, Judging, Policies
from unigurd_sdk.request import PolicyLike, refuse_types
from unigurd_sdk.stream.guarded import AsyncGuardedStream, GuardedStream
from unigurd_sdk.stream.pace import Pace
from unigurd_sdk.stream.session import Instead, OnViolation, Session, block
from unigurd_sdk.template import Role
from unigurd_sdk.written import text_of

C = TypeVar("C")

HOLD_BACK = 32
"""Default of `hold_back`, in tokens, for checkpoints that can read so much."""

_MARKERS = 4  # tokens of roles and ends, by a share of the window


class Streams(Judging):
    """The part of a guard that checks streams."""

    @overload
    def stream(
        self,
        chunks: AsyncIterable[C],
        policy: Policies | None = None,
        *,
        policies: Iterable[PolicyLike] | None = None,
        role: Role = "assistant",
        prompt: str | None = None,
        threshold: float | None = None,
        text: Callable[[C], str] | None = None,
        replacement: C | None = None,
        hold_back: int | None = None,
        max_delay_ms: float | None = None,
        timeout: float | None = None,
    ) -> AsyncGuardedStream[C]: ...

    @overload
    def stream(
        self,
        chunks: Iterable[C],
        policy: Policies | None = None,
        *,
        policies: Iterable[PolicyLike] | None = None,
        role: Role = "assistant",
        prompt: str | None = None,
        threshold: float | None = None,
        text: Callable[[C], str] | None = None,
        replacement: C | None = None,
        hold_back: int | None = None,
        max_delay_ms: float | None = None,
        timeout: float | None = None,
    ) -> GuardedStream[C]: ...

    def stream(
        self,
        chunks: Any,
        policy: Policies | None = None,
        *,
        policies: Iterable[PolicyLike] | None = None,
        role: Role = "assistant",
        prompt: str | None = None,
        threshold: float | None = None,
        text: Callable[[C], str] | None = None,
        replacement: C | None = None,
        hold_back: int | None = None,
        max_delay_ms: float | None = None,
        timeout: float | None = None,
    ) -> GuardedStream[C] | AsyncGuardedStream[C]:
        """Give out the chunks of a stream as they are, each only after a text that contains it was judged.

        A violation ends the stream: what is held is dropped, the source is closed, and the error `PromptBlocked` or
        the replacement takes its place. Together, the judgements read at most three times the text.

        Args:
            chunks: What gives the chunks, synchronously or asynchronously: strings, or objects of another library.
            policy: What to check against, as in `check`; or a list, as `policies`.
            policies: Several policies at once.
            role: Who writes the text.
            prompt: The prompt that an assistant's text answers; its last `hold_back` tokens are used.
            threshold: Score from which the text is unsafe; by default the checkpoint's for the policy.
            text: Gives the text of a chunk. By default strings, and the chunks of OpenAI and LangChain, are known.
            replacement: The last chunk after a violation, in place of an error.
            hold_back: How many tokens are held at most, besides an unfinished word and one chunk; by default 32.
                Higher: more context for each judgement, and more delay.
            max_delay_ms: How long a chunk is held at most, plus one judgement. A slow stream is then judged more
                often than the work above says, once in that time at most. A synchronous stream looks at the clock
                only when a chunk comes.
            timeout: Seconds that one judgement may take.

        Raises:
            ConfigError, PolicyError, TypeError: The call is wrong; raised at once.
            PromptBlocked: From the stream: the text violates a policy.
            UnigurdError: From the stream: a judgement failed, and `on_error` of the guard is "raise".
        """
        judge = self._judge(policy, policies, role=role, threshold=threshold, timeout=timeout)
        refuse_types([""], [prompt], role)
        seconds = None if max_delay_ms is None else max_delay_ms / 1000
        ending: OnViolation[Any] = block if replacement is None else Instead(replacement)
        pace = pace_of(judge, hold_back, seconds, prompt)
        return guarded(chunks, judge, pace, ending, text=text, prompt=prompt)


def guarded(
    chunks: object,
    judge: Judge,
    pace: Pace,
    on_violation: OnViolation[Any],
    *,
    text: Callable[[Any], str] | None = None,
    prompt: str | None = None,
) -> GuardedStream[Any] | AsyncGuardedStream[Any]:
    """Guard a synchronous or asynchronous source of chunks; see `Streams.stream`."""
    session: Session[Any] = Session(judge, pace, text or text_of, on_violation, prompt)
    if isinstance(chunks, AsyncIterable):
        return AsyncGuardedStream(chunks, session)
    if isinstance(chunks, str) or not isinstance(chunks, Iterable):
        raise TypeError(f"stream takes something that gives chunks, not {type(chunks).__name__}; see check for a text.")
    return GuardedStream(chunks, session)


def pace_of(judge: Judge, hold_back: int | None, max_delay: float | None, prompt: str | None) -> Pace:
    """Return the pace for a checkpoint, which must read twice the hold-back, and as much of a prompt, at once."""
    most = judge.engine.checkpoint.manifest.max_length // (2 if prompt is None else 3) - _MARKERS
    if hold_back is not None and hold_back > most:
        raise ConfigError(f"hold_back is at most {most} tokens for this checkpoint, not {hold_back}.")
    return Pace(min(HOLD_BACK, most) if hold_back is None else hold_back, max_delay)
