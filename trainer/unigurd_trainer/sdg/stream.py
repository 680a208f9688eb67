"""The synchronous front of an asynchronous stream: it goes on in a thread while its consumer works."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["iterate"]

T = TypeVar("T")

POLL = 0.5
"""Seconds between looks at the keyboard: some systems do not interrupt a thread that waits."""


@dataclass(frozen=True, slots=True)
class _Item(Generic[T]):
    value: T


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


def iterate(make: Callable[[], AsyncGenerator[T, None]]) -> Generator[T, None, None]:
    """Yield what an asynchronous generator yields, also where an event loop runs already, as in a notebook.

    An error of the generator is raised here. When the consumer stops, by ``close()``, Ctrl-C or an error, the
    generator is cancelled and has ended before this returns.
    """
    box: queue.SimpleQueue[_Item[T] | _End] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()
    task = loop.create_task(_pump(make, box))
    thread = threading.Thread(target=_run, args=(loop, task, box), name="unigurd-sdg", daemon=True)
    thread.start()
    try:
        while isinstance(got := _get(box), _Item):
            yield got.value
        if got.error is not None:
            raise got.error
    finally:
        with suppress(RuntimeError):  # the loop has been closed already
            loop.call_soon_threadsafe(task.cancel)
        thread.join()


async def _pump(make: Callable[[], AsyncGenerator[T, None]], box: queue.SimpleQueue[_Item[T] | _End]) -> None:
    async with aclosing(make()) as source:
        async for value in source:
            box.put(_Item(value))


def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None], box: queue.SimpleQueue[_Item[T] | _End]) -> None:
    error: BaseException | None = None
    try:
        loop.run_until_complete(task)
    except BaseException as caught:  # it crosses to the thread of the consumer, which raises it
        error = caught
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        box.put(_End(error))


def _get(box: queue.SimpleQueue[_Item[T] | _End]) -> _Item[T] | _End:
    while True:
        with suppress(queue.Empty):
            return box.get(timeout=POLL)
