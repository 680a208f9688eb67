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
    future: Future[T] = Future()
    context = copy_context()
    threading.Thread(target=context.run, args=(_fulfil, future, call), name="unigurd-check", daemon=True).start()
    if not wait([future], seconds).done:
        raise CheckTimeout(seconds)
    return future.result()


async def awithin(seconds: float | None, call: Callable[[], T]) -> T:
    """Run `call` in a worker thread, without blocking the event loop; otherwise as `within`."""
    running = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        done, _ = await asyncio.wait({running}, timeout=seconds)
    except asyncio.CancelledError:
        running.cancel()
        raise
    if not done:
        running.cancel()
        raise CheckTimeout(seconds or 0.0)
    return running.result()


def _fulfil(future: Future[T], call: Callable[[], T]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:  # it is raised where the result is waited for
        future.set_exception(error)
