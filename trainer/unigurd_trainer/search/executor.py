"""Where trials run: here, or in several processes. Another engine only has to keep the contract of `Executor`."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Protocol

from unigurd_trainer.search.evaluator import Evaluator, Job
from unigurd_trainer.search.outcome import Outcome
from unigurd_trainer.search.point import Point

__all__ = ["Executor", "Inline", "Processes"]


class Executor(Protocol):
    """Measures points. Outcomes may come in any order; what a point is worth must not depend on it."""

    def submit(self, point: Point, bar: float | None) -> Future[Outcome]:
        """Measure a point (see `Evaluator.trial`)."""

    def close(self) -> None:
        """Stop; what is still running may be thrown away."""


@dataclass(frozen=True, slots=True)
class Inline:
    """Measures in this process, at once."""

    evaluator: Evaluator

    def submit(self, point: Point, bar: float | None) -> Future[Outcome]:
        """Measure a point before this returns."""
        future: Future[Outcome] = Future()
        try:
            future.set_result(self.evaluator.trial(point, bar))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Nothing has to stop."""


@dataclass(slots=True)
class Processes:
    """Measures in `count` processes, each with candidates, rows and module of its own, and its share of the threads."""

    job: Job
    count: int
    _pool: ProcessPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        threads = max((self.job.threads or os.cpu_count() or 1) // self.count, 1)
        job, context = replace(self.job, threads=threads), get_context("spawn")
        self._pool = ProcessPoolExecutor(self.count, context, initializer=_begin, initargs=(job,))

    def submit(self, point: Point, bar: float | None) -> Future[Outcome]:
        """Measure a point in one of the processes."""
        return self._pool.submit(_trial, point, bar)

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(wait=True, cancel_futures=True)


_evaluators: list[Evaluator] = []
"""The evaluator of this process, where it is one of a pool."""


def _begin(job: Job) -> None:
    threading.Thread(target=_follow_parent, daemon=True).start()
    _evaluators[:] = [job.build()]


def _trial(point: Point, bar: float | None) -> Outcome:
    return _evaluators[0].trial(point, bar)


def _follow_parent() -> None:
    """End with the process that searches, even if that is killed."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
