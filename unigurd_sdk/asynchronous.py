"""The method `Guard.acheck`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import overload

from unigurd_sdk.gathering import Call, Gatherer
from unigurd_sdk.judge import Judging
from unigurd_sdk.request import PolicyLike, Request, refuse_types
from unigurd_sdk.template import Role
from unigurd_sdk.timed import aside
from unigurd_sdk.verdict import Report, Verdict

ALONE = 8192
"""Characters from which a text is checked in a thread of its own, so that short ones do not wait for it."""


class Asynchronous(Judging):
    """The part of a guard that checks for coroutines."""

    _gatherer: Gatherer

    @overload
    async def acheck(
        self,
        text: str,
        policy: PolicyLike | None = None,
        *,
        policies: None = None,
        role: Role = "user",
        prompt: str | None = None,
        threshold: float | None = None,
    ) -> Verdict: ...

    @overload
    async def acheck(
        self,
        text: str,
        policy: None = None,
        *,
        policies: Iterable[PolicyLike],
        role: Role = "user",
        prompt: str | None = None,
        threshold: float | None = None,
    ) -> Report: ...

    async def acheck(
        self,
        text: str,
        policy: PolicyLike | None = None,
        *,
        policies: Iterable[PolicyLike] | None = None,
        role: Role = "user",
        prompt: str | None = None,
        threshold: float | None = None,
    ) -> Verdict | Report:
        """Check one text, as `check` does, without blocking the event loop.

        Checks that wait at the same time go to the model together if they ask the same; nobody waits for others to
        come. The latency of a verdict begins with this call. A call that is cancelled, by `asyncio.timeout` for
        instance, does not go on in the background.
        """
        refuse_types([text], [prompt], role)
        resolve = partial(self._resolver.request, policy, policies, role, threshold)
        if len(text) >= ALONE:
            verdicts = await aside(partial(self._alone, text, prompt, resolve))
        else:
            verdicts = await asyncio.wrap_future(self._gatherer.submit(Call(text, prompt, resolve)))
        return verdicts[0] if policies is None else Report(verdicts)

    def _alone(self, text: str, prompt: str | None, resolve: partial[Request]) -> tuple[Verdict, ...]:
        return self._engine.answer([text], [prompt], resolve())[0]
