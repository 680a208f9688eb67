"""An event loop in the background, for code that is not asynchronous and still has many requests open."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

    from typing_extensions import Self

__all__ = ["Background"]

T = TypeVar("T")

POLL = 0.5
"""Seconds between looks at the keyboard: some systems do not interrupt a thread that waits."""


class Background:
    """Runs coroutines in a thread; a context manager, whose end cancels what still runs and waits for it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="unigurd-background", daemon=True)
        self._open = AsyncExitStack()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def result(self, future: Future[T]) -> T:
        """Wait for a coroutine; returns what it returns and raises what it raises. Ctrl-C is noticed meanwhile."""
        while not concurrent.futures.wait([future], timeout=POLL).done:
            pass
        return future.result()

    def enter(self, manager: AbstractAsyncContextManager[T]) -> T:
        """Enter an asynchronous context manager; it is left at the end, when nothing runs any more."""
        return self.result(self.submit(self._open.enter_async_context(manager)))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.result(self.submit(self._end()))
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _end(self) -> None:
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._open.aclose()
        await self._loop.shutdown_asyncgens()
