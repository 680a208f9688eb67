"""The synchronous front: values in order, errors where they belong, and a clean end."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

import pytest

from unigurd_trainer.sdg.stream import iterate


async def numbers(count, log, error=None):
    try:
        for number in range(count):
            await asyncio.sleep(0)
            yield number
        if error:
            raise error
    finally:
        await asyncio.sleep(0)  # an end that takes time is waited for
        log.append("closed")


def threads():
    return [each for each in threading.enumerate() if each.name == "unigurd-sdg"]


def test_values_come_in_order():
    log: list[str] = []
    assert list(iterate(lambda: numbers(5, log))) == [0, 1, 2, 3, 4]
    assert log == ["closed"] and threads() == []


def test_an_error_is_raised_after_the_values_before_it():
    log: list[str] = []
    got: list[int] = []
    with pytest.raises(ValueError, match="broken"):
        got.extend(iterate(lambda: numbers(2, log, ValueError("broken"))))
    assert log == ["closed"] and threads() == []


def test_a_consumer_may_stop():
    log: list[str] = []
    stream = iterate(lambda: numbers(10**9, log))
    assert [next(stream), next(stream)] == [0, 1]
    stream.close()
    assert log == ["closed"] and threads() == []


async def test_it_works_where_a_loop_runs():
    assert list(iterate(lambda: numbers(3, []))) == [0, 1, 2]


def test_it_goes_on_while_the_consumer_works():
    log: list[str] = []
    stream = iterate(lambda: numbers(3, log))
    next(stream)
    deadline = time.monotonic() + 5
    while not log and time.monotonic() < deadline:
        time.sleep(0.01)
    assert log == ["closed"]
    assert list(stream) == [1, 2]


@pytest.fixture
def interruptible():
    """SIGINT raises KeyboardInterrupt, also where the tests run in the background and ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_closes_the_source(interruptible):
    log: list[str] = []

    async def slow():
        try:
            yield 0
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            await asyncio.sleep(60)
            yield 1
        finally:
            log.append("closed")

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(iterate(slow))
    assert time.monotonic() - started < 10
    assert log == ["closed"] and threads() == []
