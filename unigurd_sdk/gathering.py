"""Gathering: checks of many concurrent callers go to the model together.

One thread answers. While it is busy, calls queue up; then it takes all of them at once, so that nobody waits for a
batch to fill, and the batches grow with the load.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TypeAlias

from unigurd_sdk.request import Request
from unigurd_sdk.verdict import Verdict

__all__ = ["Call", "Gatherer"]

Verdicts: TypeAlias = tuple[Verdict, ...]
Answer: TypeAlias = Callable[[Sequence[str], Sequence[str | None], Request], list[Verdicts]]

MOST_TOGETHER = 256
"""Calls that are answered in one go; the rest waits for the next."""


@dataclass(frozen=True, slots=True)
class Call:
    """One text to check.

    Attributes:
        text: What is checked.
        prompt: The prompt that it answers, or None.
        resolve: Gives the request. It runs in the answering thread, since it may read a policy from a file.
        future: Gets the verdicts, one per policy, or the error.
    """

    text: str
    prompt: str | None
    resolve: Callable[[], Request]
    future: Future[Verdicts] = field(default_factory=Future)


class Gatherer:
    """Answers calls in a thread of its own, which starts with the first call and does not keep a process alive."""

    def __init__(self, answer: Answer) -> None:
        """Answer with `answer`: texts, their prompts and one request in; verdicts of each text out."""
        self._answer = answer
        self._queue: SimpleQueue[Call | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process = 0

    def submit(self, call: Call) -> Future[Verdicts]:
        """Queue a call; its future gets the verdicts. One that is cancelled before its turn is not answered."""
        with self._lock:
            if self._thread is None or self._process != os.getpid():  # a fork leaves the thread behind
                self._start()
            self._queue.put(call)
        return call.future

    def close(self) -> None:
        """Answer what is queued, then end the thread; a later call would start it again."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None and self._process == os.getpid():
                self._queue.put(None)

    def _start(self) -> None:
        self._process, self._queue = os.getpid(), SimpleQueue()
        self._thread = threading.Thread(target=self._work, args=(self._queue,), name="unigurd-checks", daemon=True)
        self._thread.start()

    def _work(self, queue: SimpleQueue[Call | None]) -> None:
        while (first := queue.get()) is not None:
            calls = [first]
            while len(calls) < MOST_TOGETHER and not queue.empty():
                following = queue.get()
                if following is None:
                    queue.put(None)
                    break
                calls.append(following)
            self._reply(calls)

    def _reply(self, calls: Sequence[Call]) -> None:
        """Answer calls that ask the same together."""
        groups: dict[object, list[tuple[Call, Request]]] = {}
        for call in calls:
            if call.future.set_running_or_notify_cancel():
                try:
                    request = call.resolve()
                except BaseException as error:
                    call.future.set_exception(error)
                else:
                    key = request.role, request.thresholds, tuple(policy.fingerprint for policy in request.policies)
                    groups.setdefault(key, []).append((call, request))
        for group in groups.values():
            self._reply_alike(group)

    def _reply_alike(self, group: Sequence[tuple[Call, Request]]) -> None:
        """Answer calls that ask the same; if that raises, each by itself, so that an error reaches its own caller."""
        texts, prompts = [call.text for call, _ in group], [call.prompt for call, _ in group]
        try:
            answers = self._answer(texts, prompts, group[0][1])
        except BaseException as error:
            if len(group) == 1:
                group[0][0].future.set_exception(error)
                return
            for one in group:
                self._reply_alike([one])
            return
        for (call, _), verdicts in zip(group, answers, strict=True):
            call.future.set_result(verdicts)
