"""Time limits: a call that may not take longer than so many seconds.

A thread cannot be stopped from outside. A call that runs out of time is left behind and what it returns is dropped;
the caller goes on at once. Long work asks `require_wanted` between its steps, so that what is left behind ends soon.
At its exit, the process waits a little for such threads, which native code would not survive otherwise.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import Context, ContextVar, copy_context
from typing import TypeVar
from weakref import WeakSet

from unigurd_sdk.errors import CheckTimeout, ConfigError

T = TypeVar("T")

AT_EXIT = 5.0
"""Seconds that the exit of a process waits for calls that were left behind."""


class Abandoned(BaseException):
    """Nobody waits for this call any more; no error, so that nothing handles it."""


_left: ContextVar[tuple[threading.Event, ...]] = ContextVar("left", default=())
_running: WeakSet[threading.Thread] = WeakSet()


def require_wanted() -> None:
    """Raise `Abandoned` in a call that was left behind, or that one calls that was."""
    if any(left.is_set() for left in _left.get()):
        raise Abandoned


def checked_timeout(seconds: float | None) -> float | None:
    """Return a time limit; one that is not above zero raises `ConfigError`."""
    if seconds is not None and not seconds > 0:
        raise ConfigError(f"timeout must be a number of seconds above 0, or None, not {seconds}.")
    return seconds


def within(seconds: float | None, call: Callable[[], T]) -> T:
    """Return what `call` returns; raise `CheckTimeout` if that takes longer than `seconds` (None: no limit)."""
    if seconds is None:
        return call()
    future, left = _started(call)
    if not wait([future], seconds).done:
        left.set()
        raise CheckTimeout(seconds)
    return future.result()


async def awithin(seconds: float | None, call: Callable[[], T]) -> T:
    """Run `call` in a thread, without blocking the event loop; otherwise as `within`."""
    if seconds is None:
        return await aside(call)
    future, left = _started(call)
    running = asyncio.wrap_future(future)
    try:
        done, _ = await asyncio.wait({running}, timeout=seconds)
        if not done:
            raise CheckTimeout(seconds)
        return running.result()
    finally:
        if not future.done():
            left.set()
        running.cancel()  # the thread goes on; its result is not delivered to a loop that may be gone


async def aside(call: Callable[[], T]) -> T:
    """Run `call` in a thread of the event loop's pool; a coroutine that is cancelled leaves it behind."""
    context, left = _leavable()
    try:
        return await asyncio.get_running_loop().run_in_executor(None, context.run, call)
    except asyncio.CancelledError:
        left.set()
        raise


def _started(call: Callable[[], T]) -> tuple[Future[T], threading.Event]:
    """Run `call` in a thread of its own, which nobody waits for at exit, unlike those of a pool; as `_leavable`."""
    future: Future[T] = Future()
    context, left = _leavable()
    thread = threading.Thread(target=context.run, args=(_fulfil, future, call), name="unigurd-check", daemon=True)
    _running.add(thread)
    thread.start()
    return future, left


def _leavable() -> tuple[Context, threading.Event]:
    """Return a context for a call, and what to set when nobody waits for the call any more."""
    context, left = copy_context(), threading.Event()
    context.run(_left.set, (*_left.get(), left))
    return context, left


def _fulfil(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(call())
    except BaseException as error:  # it is raised where the result is waited for
        future.set_exception(error)


@atexit.register
def _wait_for_running() -> None:
    until = time.monotonic() + AT_EXIT
    for thread in list(_running):
        thread.join(max(0.0, until - time.monotonic()))
