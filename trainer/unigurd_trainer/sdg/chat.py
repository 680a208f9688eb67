"""Questions to the model through the journal, so that none is paid for twice, and in order, so that runs repeat."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from unigurd_trainer.http.chat import ChatClient
from unigurd_trainer.http.dialect import Answer, Ask
from unigurd_trainer.http.errors import RequestRejected
from unigurd_trainer.http.options import EndpointOptions
from unigurd_trainer.sdg.journal import Journal, request_key
from unigurd_trainer.sdg.prompts import Instruction, Message
from unigurd_trainer.sdg.statistics import RunStatistics

__all__ = ["JournaledChat", "Question", "in_order", "seed_of"]

AHEAD = 4
"""Requests that are begun before the first of them is there, in multiples of the concurrency."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and what tells it from the same question asked again.

    Attributes:
        instruction: The template of the messages.
        count: Items asked for.
        attempt: 0, or the number of the repetition.
        model: Another model than the one of the run; empty for that one.
    """

    instruction: Instruction
    messages: Sequence[Message]
    seed: int
    count: int = 1
    attempt: int = 0
    temperature: float | None = None
    model: str = ""


class JournaledChat:
    """Asks a client what is not in the journal, and keeps the account.

    Args:
        client: Where answers come from.
        journal: Where they are kept before anybody sees them.
        options: Models and prices.
        statistics: The account.
    """

    def __init__(
        self, client: ChatClient, journal: Journal, options: EndpointOptions, statistics: RunStatistics
    ) -> None:
        self._client = client
        self._journal = journal
        self._options = options
        self._trusted = False
        self.statistics = statistics

    def beside(self, statistics: RunStatistics) -> JournaledChat:
        """Return a chat with the same endpoint, which has taken requests already, but an account of its own."""
        other = JournaledChat(self._client, self._journal, self._options, statistics)
        other._trusted = True
        return other

    @property
    def ahead(self) -> int:
        """Questions that are worth having open at the same time."""
        return AHEAD * self._options.concurrency

    async def ask(self, question: Question) -> Answer | None:
        """Return the answer; None if the server turns this one request down after it took others.

        Raises:
            EndpointError: The endpoint cannot be used.
            DataError: The answer cannot be kept.
        """
        model = question.model or self._options.model
        kind = question.instruction
        key = request_key(
            model, kind.hash, question.messages, count=question.count, seed=question.seed, attempt=question.attempt
        )
        answer = self._journal.find(key)
        if answer is not None:
            self.statistics.replayed += 1
        else:
            answer = await self._buy(question, model)
            if answer is None:
                return None
            self._journal.keep(key, kind.name, answer)  # no await in between: what was paid for is kept
            self.statistics.requests += 1
        self._account(answer)
        return answer

    async def _buy(self, question: Question, model: str) -> Answer | None:
        kind, limit = question.instruction, self._options.max_tokens
        ask = Ask(question.messages, kind.name, kind.schema, model, question.seed, question.temperature, limit)
        try:
            return await self._client.complete(ask)
        except RequestRejected:
            if not (self._trusted or self.statistics.requests or self.statistics.replayed):
                raise
            self.statistics.turned_down += 1
            return None
        finally:
            self.statistics.retries = self._client.retried

    def _account(self, answer: Answer) -> None:
        statistics = self.statistics
        statistics.prompt_tokens += answer.prompt_tokens
        statistics.completion_tokens += answer.completion_tokens
        statistics.cost += self._options.cost(answer)
        statistics.estimated += answer.estimated
        statistics.truncated += answer.finish == "length"


def seed_of(*parts: object) -> int:
    """Hash parts to a seed of 31 bits, which every server takes."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big") >> 1


async def in_order(work: Iterable[Coroutine[Any, Any, T]], ahead: int) -> AsyncGenerator[T, None]:
    """Run coroutines, up to `ahead` of them at the same time, and yield their results in their order."""
    window: deque[asyncio.Task[T]] = deque()
    try:
        for each in work:
            window.append(asyncio.ensure_future(each))
            if len(window) >= ahead:
                yield await window.popleft()
        while window:
            yield await window.popleft()
    finally:
        for task in window:
            task.cancel()
        await asyncio.gather(*window, return_exceptions=True)
