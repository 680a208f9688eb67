"""Gathering: checks of many concurrent callers go to the model together.

One thread answers. While it is busy, calls queue up; then it takes all of them at once, so that nobody waits for a
batch to fill, and the batches grow with the load.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from typing import TypeAlias

from unigurd_sdk.forks import renew_after_fork
from unigurd_sdk.request import Request
from unigurd_sdk.verdict import Verdict

__all__ = ["Call", "Gatherer"]

Verdicts: TypeAlias = tuple[Verdict, ...]
Answer: TypeAlias = Callable[[Sequence[str], Sequence[str | None], Request], list[Verdicts]]

MOST_TOGETHER = 256
"""Calls that are answered in one go; the rest waits for the next."""


IDLE_SECONDS = 2.0
"""After so long without a call the thread ends; the next call starts another."""


@dataclass(frozen=True, slots=True)
class Call:
    """One text to check.

    Attributes:
        text: What is checked.
        prompt: The prompt that it answers, or None.
        resolve: Gives the request. It runs in the answering thread, since it may read a policy from a file.
        future: Gets the verdicts, one per policy, or the error.
        started: When it was made, on `time.perf_counter`; latency counts from there.
    """

    text: str
    prompt: str | None
    resolve: Callable[[], Request]
    future: Future[Verdicts] = field(default_factory=Future)
    started: float = field(default_factory=time.perf_counter)


class Gatherer:
    """Answers calls in a thread of its own, which starts with the first call and does not keep a process alive."""

    def __init__(self, answer: Answer) -> None:
        """Answer with `answer`: texts, their prompts and one request in; verdicts of each text out."""
        self._answer = answer
        self._queue: SimpleQueue[Call | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        renew_after_fork(self)

    def submit(self, call: Call) -> Future[Verdicts]:
        """Queue a call; its future gets the verdicts. One that is cancelled before its turn is not answered."""
        with self._lock:
            if self._thread is None:
                self._start()
            self._queue.put(call)
        return call.future

    def close(self) -> None:
        """Answer what is queued, then end the thread; a later call would start it again."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._queue.put(None)

    def renew(self) -> None:
        """Begin anew in a forked process, which does not have the thread."""
        self._thread, self._lock = None, threading.Lock()

    def _start(self) -> None:
        self._queue = SimpleQueue()
        self._thread = threading.Thread(target=self._work, args=(self._queue,), name="unigurd-checks", daemon=True)
        self._thread.start()

    def _work(self, queue: SimpleQueue[Call | None]) -> None:
        while (first := self._next(queue)) is not None:
            calls = [first]
            while len(calls) < MOST_TOGETHER and not queue.empty():
                following = queue.get()
                if following is None:
                    queue.put(None)
                    break
                calls.append(following)
            self._reply(calls)

    def _next(self, queue: SimpleQueue[Call | None]) -> Call | None:
        """Wait for a call; None ends the thread, which nobody needs now and which would keep the model in memory."""
        try:
            return queue.get(timeout=IDLE_SECONDS)
        except Empty:
            with self._lock:
                if not queue.empty():
                    return queue.get()
                if self._queue is queue:
                    self._thread = None
                return None

    def _reply(self, calls: Sequence[Call]) -> None:
        """Answer calls that ask the same together."""
        groups: dict[object, list[tuple[Call, Request]]] = {}
        for call in calls:
            if call.future.set_running_or_notify_cancel():
                try:
                    request = replace(call.resolve(), started=call.started)
                except BaseException as error:
                    call.future.set_exception(error)
                else:
                    groups.setdefault(request.question, []).append((call, request))
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
