"""Time limits: a call that may not take longer than so many seconds.

A thread cannot be stopped from outside. A call that runs out of time is left behind and what it returns is dropped;
the caller goes on at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import copy_context
from typing import TypeVar

from unigurd_sdk.errors import CheckTimeout, ConfigError

T = TypeVar("T")


def checked_timeout(seconds: float | None) -> float | None:
    """Return a time limit; one that is not above zero raises `ConfigError`."""
    if seconds is not None and not seconds > 0:
        raise ConfigError(f"timeout must be a number of seconds above 0, or None, not {seconds}.")
    return seconds


def within(seconds: float | None, call: Callable[[], T]) -> T:
    """Return what `call` returns; raise `CheckTimeout` if that takes longer than `seconds` (None: no limit)."""
    if seconds is None:
        return call()
    future = _started(call)
    if not wait([future], seconds).done:
        raise CheckTimeout(seconds)
    return future.result()


async def awithin(seconds: float | None, call: Callable[[], T]) -> T:
    """Run `call` in a thread, without blocking the event loop; otherwise as `within`."""
    if seconds is None:
        return await asyncio.to_thread(call)
    running = asyncio.wrap_future(_started(call))
    try:
        done, _ = await asyncio.wait({running}, timeout=seconds)
        if not done:
            raise CheckTimeout(seconds)
        return running.result()
    finally:
        running.cancel()  # the thread goes on; its result is not delivered to a loop that may be gone


def _started(call: Callable[[], T]) -> Future[T]:
    """Run `call` in a thread of its own, which nobody waits for at exit, unlike those of a pool."""
    future: Future[T] = Future()
    context = copy_context()
    threading.Thread(target=context.run, args=(_fulfil, future, call), name="unigurd-check", daemon=True).start()
    return future


def _fulfil(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(call())
    except BaseException as error:  # it is raised where the result is waited for
        future.set_exception(error)
