"""The loop in the background: results, errors, and an end that leaves nothing behind."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import asynccontextmanager

import pytest

from unigurd_trainer.sdg.background import Background


async def later(value, seconds=0.0):
    await asyncio.sleep(seconds)
    return value


async def fail():
    raise ValueError("broken")


def threads():
    return [each for each in threading.enumerate() if each.name == "unigurd-background"]


def test_many_run_at_the_same_time():
    begun: list[Future[int]] = []

    async def wait_for_the_last():
        while len(begun) < 3:
            await asyncio.sleep(0.001)
        return len(begun)

    with Background() as background:
        for _ in range(3):
            begun.append(background.submit(wait_for_the_last()))
        assert [background.result(each) for each in begun] == [3, 3, 3]
    assert threads() == []


def test_an_error_is_raised_where_the_result_is_wanted():
    with Background() as background:
        failing, fine = background.submit(fail()), background.submit(later(1))
        assert background.result(fine) == 1
        with pytest.raises(ValueError, match="broken"):
            background.result(failing)


def test_the_end_cancels_what_runs_and_then_leaves_what_was_entered():
    log: list[str] = []

    async def patient():
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            log.append("cancelled")

    @asynccontextmanager
    async def opened():
        log.append("opened")
        yield "it"
        log.append("closed")

    with pytest.raises(KeyboardInterrupt), Background() as background:
        assert background.enter(opened()) == "it"
        background.submit(patient())
        background.result(background.submit(later(0, 0.01)))
        raise KeyboardInterrupt
    assert log == ["opened", "cancelled", "closed"] and threads() == []


async def test_it_works_where_a_loop_runs():
    with Background() as background:
        assert background.result(background.submit(later(2))) == 2
