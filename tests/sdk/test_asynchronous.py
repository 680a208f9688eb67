"""Checks of coroutines: each gets the answer that `check` gives, or its own error."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from unigurd_sdk.errors import GuardClosed, UnknownPolicy
from unigurd_sdk.policy import Policy
from unigurd_sdk.runtime.onnx import OnnxRuntime

BOMB = Policy(name="no-bombs", description="no weapons", disallowed=("bomb",))
CAKE = Policy(name="no-cakes", description="no food", allowed=("recipe",), disallowed=("cake", "gun"))


def test_acheck_answers_as_check(guard):
    async def both():
        return await guard.acheck("bomb", BOMB), await guard.acheck("cake", policies=[BOMB, CAKE])

    verdict, report = asyncio.run(both())
    assert verdict.score == guard.check("bomb", BOMB).score
    assert report.worst.policy == "no-cakes"


def test_many_acheck_callers_each_get_their_own_answer(guard):
    texts = [("bomb " * (n % 3) + f"cake {n}").strip() for n in range(60)] + ["bomb " * 3000]

    async def all_of_them():
        return await asyncio.gather(*(guard.acheck(text, (BOMB, CAKE)[n % 2]) for n, text in enumerate(texts)))

    for n, (text, verdict) in enumerate(zip(texts, asyncio.run(all_of_them()), strict=True)):
        expected = guard.check(text, (BOMB, CAKE)[n % 2])
        assert (verdict.policy, verdict.score) == (expected.policy, pytest.approx(expected.score))


def test_a_wrong_acheck_raises_to_its_own_caller(guard):
    async def both():
        asked = (
            guard.acheck("bomb", BOMB),
            guard.acheck("bomb", "knitting-policy-of-nobody"),
            guard.acheck(b"bomb", BOMB),
        )
        return await asyncio.gather(*asked, return_exceptions=True)

    verdict, unknown, no_text = asyncio.run(both())
    assert verdict.unsafe
    assert isinstance(unknown, UnknownPolicy)
    assert isinstance(no_text, TypeError)


def test_acheck_of_a_closed_guard_is_refused(guard):
    guard.close()
    with pytest.raises(GuardClosed):
        asyncio.run(guard.acheck("bomb", BOMB))


def test_a_long_acheck_that_is_cancelled_does_not_go_on(load, monkeypatch):
    guard, begun, scored = load(), threading.Event(), []
    score = OnnxRuntime._score_batch

    def record(self, segments, *rest):
        scored.append(len(segments))
        begun.set()
        time.sleep(0.01)
        return score(self, segments, *rest)

    monkeypatch.setattr(OnnxRuntime, "_score_batch", record)

    async def cancelled():
        running = asyncio.ensure_future(guard.acheck("cake " * 20_000, BOMB))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancelled())  # which waits for the threads of its pool
    assert len(scored) < 10
    before = len(scored)
    scored.clear()
    guard.check("cake " * 20_000, BOMB)
    assert len(scored) > 3 * before
