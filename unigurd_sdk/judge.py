"""A judge: one question, such as "does it violate these policies?", that is asked about many texts.

The question is resolved once, so that mistakes of the caller are raised where the question is put and not where the
first text arrives. Streams, conversations and protected functions ask through a judge.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias, get_args

from unigurd_sdk.engine import Engine, OnError
from unigurd_sdk.errors import ConfigError, GuardClosed, InferenceError, UnigurdError
from unigurd_sdk.policy import Policy
from unigurd_sdk.request import PolicyLike, Request, Resolver, refuse_types
from unigurd_sdk.template import Role
from unigurd_sdk.timed import awithin, checked_timeout, within
from unigurd_sdk.verdict import Report, Verdict
from unigurd_sdk.windows import Span

log = logging.getLogger(__name__)

Answer: TypeAlias = Verdict | Report
"""A verdict where one policy was asked for, a report where several were."""

Policies: TypeAlias = PolicyLike | Iterable[PolicyLike]
"""One policy, for verdicts, or several, for reports."""

TOKEN_CHARS = 32
"""So many characters are a token at most, where the last or first tokens of a text of any length are looked for."""

Verdicts: TypeAlias = tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Judge:
    """Asks one question about texts; safe for threads.

    Attributes:
        engine: What scores.
        request: The policies, their thresholds and the role of the texts.
        several: Whether the answer is a report.
        timeout: Seconds that one call may take, or None.
        on_error: What a failed check is; None: what the guard says.
    """

    engine: Engine
    request: Request
    several: bool
    timeout: float | None = None
    on_error: OnError | None = None

    def of_role(self, role: Role) -> Judge:
        """Return a judge of texts of another role."""
        return replace(self, request=replace(self.request, role=role))

    def check(self, text: str, prompt: str | None = None) -> Answer:
        """Judge one text; errors and time-outs follow `on_error`."""
        return self.check_batch([text], [prompt])[0]

    async def acheck(self, text: str, prompt: str | None = None) -> Answer:
        """Judge one text in a worker thread, without blocking the event loop."""
        return (await self.acheck_batch([text], [prompt]))[0]

    def check_batch(self, texts: Sequence[str], prompts: Sequence[str | None]) -> list[Answer]:
        """Judge texts in few model calls; answers come in their order."""
        refuse_types(texts, prompts, self.request.role)
        request = replace(self.request, started=time.perf_counter())
        try:
            verdicts = within(self.timeout, partial(self.engine.answer, texts, prompts, request))
        except UnigurdError as error:
            verdicts = self._failed(error, request, len(texts))
        return self._answers(verdicts)

    async def acheck_batch(self, texts: Sequence[str], prompts: Sequence[str | None]) -> list[Answer]:
        """Judge texts in a worker thread; otherwise as `check_batch`."""
        refuse_types(texts, prompts, self.request.role)
        request = replace(self.request, started=time.perf_counter())
        try:
            verdicts = await awithin(self.timeout, partial(self.engine.answer, texts, prompts, request))
        except UnigurdError as error:
            verdicts = self._failed(error, request, len(texts))
        return self._answers(verdicts)

    def offsets(self, text: str) -> Sequence[Span]:
        """Return the (start, end) characters of each token of a text.

        If the tokenizer cannot be had, every character counts as a token: the check that follows fails for the same
        reason, and `on_error` decides there.
        """
        try:
            return self.engine.tokenizer.encode(text).offsets
        except GuardClosed:
            raise
        except Exception:
            log.debug("The tokenizer cannot be had; every character counts as a token", exc_info=True)
            return [(at, at + 1) for at in range(len(text))]

    def _failed(self, error: UnigurdError, request: Request, texts: int) -> list[Verdicts]:
        """Raise the error of a check, or give the verdicts that `on_error` says, for each of `texts` texts."""
        decision = self.on_error or self.engine.options.on_error
        if decision == "raise" or isinstance(error, GuardClosed):
            raise error
        log.error("A check failed (%s), on_error=%s decides", type(error).__name__, decision)
        return [self.engine.failed(error, request, decision)] * texts

    def _answers(self, verdicts: Sequence[Verdicts]) -> list[Answer]:
        """Turn verdicts into answers; what failed inside the guard is what this judge says, and not the guard."""
        decided = [tuple(map(self._decided, each)) for each in verdicts]
        return [Report(each) if self.several else each[0] for each in decided]

    def _decided(self, verdict: Verdict) -> Verdict:
        if verdict.error is None or self.on_error is None:
            return verdict
        if self.on_error == "raise":
            raise InferenceError(verdict.error, policy=verdict.policy)
        allow = self.on_error == "allow"
        decider = f"on_error={self.on_error}"
        return replace(verdict, unsafe=not allow, score=0.0 if allow else 1.0, decided_by=decider)


class Judging:
    """What the parts of a guard share: the engine, and the policies that it knows."""

    _engine: Engine
    _resolver: Resolver

    def _judge(
        self,
        policy: Policies | None,
        policies: Iterable[PolicyLike] | None = None,
        *,
        role: Role = "user",
        threshold: float | None = None,
        timeout: float | None = None,
        on_error: OnError | None = None,
    ) -> Judge:
        """Resolve a question once; every mistake in it is raised here."""
        if on_error is not None and on_error not in get_args(OnError):
            raise ConfigError(f"on_error must be one of {', '.join(get_args(OnError))}, not {on_error!r}.")
        if policy is not None and not isinstance(policy, (str, Path, Policy)):
            if policies is not None:
                raise ConfigError("Give policy= or policies=, not both.")
            policy, policies = None, policy
        request = self._resolver.request(policy, policies, role, threshold)
        return Judge(self._engine, request, policies is not None, checked_timeout(timeout), on_error)


def located(answer: Answer, start: int) -> Answer:
    """Return an answer about a part of a text with the offsets of the whole, in which the part begins at `start`."""
    if isinstance(answer, Report):
        return Report(tuple(_moved(verdict, start) for verdict in answer.verdicts))
    return _moved(answer, start)


def worst(answer: Answer) -> Verdict:
    """Return the verdict, or the worst one of a report."""
    return answer.worst if isinstance(answer, Report) else answer


def _moved(verdict: Verdict, start: int) -> Verdict:
    windows = tuple(replace(window, start=window.start + start, end=window.end + start) for window in verdict.windows)
    return replace(verdict, windows=windows)
