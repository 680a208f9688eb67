"""Single requests, run together: what waits is sorted by size and run in batches, in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

__all__ = ["Batcher"]

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


class Batcher(Generic[I, O]):
    """Call it with an item and await the result; items that are there at the same time share batches.

    Args:
        run: Processes a batch, in a thread of its own, one batch at a time; an error goes to every item of the batch.
        size: Size of an item.
        budget: Most of items times the largest size in a batch. A larger item is a batch of its own.
    """

    def __init__(self, run: Callable[[Sequence[I]], Sequence[O]], size: Callable[[I], int], budget: int) -> None:
        self._run, self._size, self._budget = run, size, budget
        self._waiting: list[tuple[I, asyncio.Future[O]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def __call__(self, item: I) -> O:
        """Return the result for an item."""
        future: asyncio.Future[O] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        await asyncio.sleep(0)  # let everything that is ready join
        while batch := self._next():
            try:
                results = await asyncio.to_thread(self._run, [item for item, _ in batch])
            except Exception as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)

    def _next(self) -> list[tuple[I, asyncio.Future[O]]]:
        """Take the largest items that fit: a batch that is too large for memory fails at the start."""
        self._waiting = [pair for pair in self._waiting if not pair[1].done()]  # the others were given up
        self._waiting.sort(key=lambda pair: self._size(pair[0]), reverse=True)
        fits = max(1, self._budget // max(1, self._size(self._waiting[0][0]))) if self._waiting else 0
        batch, self._waiting = self._waiting[:fits], self._waiting[fits:]
        return batch
