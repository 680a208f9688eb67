"""Guarded streams as iterators: when they judge, what they close, and who else may drive a session."""

from __future__ import annotations

import asyncio
import threading

import pytest

from unigurd_sdk.errors import PromptBlocked
from unigurd_sdk.runtime.onnx import OnnxRuntime
from unigurd_sdk.stream.session import Session

HOLD = 8


async def acollect(stream):
    out = []
    try:
        async for chunk in stream:
            out.append(chunk)
    except PromptBlocked as error:
        return out, error
    return out, None


async def trickle(chunks, pause=0.0):
    for chunk in chunks:
        await asyncio.sleep(pause)
        yield chunk


async def test_a_violation_ends_an_asynchronous_stream_and_closes_its_source(guard):
    closed = []

    async def source():
        try:
            while True:
                yield "bomb "
        finally:
            closed.append(True)

    out, error = await acollect(guard.stream(source(), hold_back=HOLD))
    assert (out, closed) == ([], [True])
    assert error is not None
    assert [chunk async for chunk in guard.stream(source(), replacement="no", hold_back=HOLD)] == ["no"]


async def test_an_asynchronous_stream_does_not_block_the_event_loop(load, monkeypatch):
    release, judging = threading.Event(), threading.Event()
    score = OnnxRuntime.score

    def slow(*args):
        judging.set()
        assert release.wait(30)
        return score(*args)

    monkeypatch.setattr(OnnxRuntime, "score", slow)
    task = asyncio.ensure_future(acollect(load().stream(trickle(["cake"]), hold_back=HOLD)))
    while not judging.is_set():
        await asyncio.sleep(0.001)
    assert not task.done()  # the loop runs while the model does
    release.set()
    assert await task == (["cake"], None)


async def test_a_slow_source_is_judged_before_it_goes_on(guard):
    more = asyncio.Event()

    async def source():
        yield "cake"
        await more.wait()
        yield " filler"

    stream = guard.stream(source(), hold_back=HOLD, max_delay_ms=1)
    assert await asyncio.wait_for(anext(stream), 30) == "cake"
    more.set()
    assert [chunk async for chunk in stream] == [" filler"]


async def test_what_was_judged_already_leaves_in_time_without_another_judgement(guard, judged):
    more = asyncio.Event()

    async def source():
        yield "cake " * 40
        await more.wait()

    stream = guard.stream(source(), hold_back=HOLD, max_delay_ms=50)
    text = ""
    while len(text) < 200:
        text += await asyncio.wait_for(anext(stream), 30)
    assert len(judged) == 1
    await stream.aclose()


def test_a_synchronous_stream_looks_at_the_clock_when_a_chunk_comes(guard, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("unigurd_sdk.stream.session.time.monotonic", lambda: now[0])

    def source():
        yield "cake "
        now[0] = 1.0
        yield "recipe "
        yield "filler"

    stream = guard.stream(source(), hold_back=12, max_delay_ms=500)
    assert [next(stream), next(stream)] == ["cake ", "recipe "]


async def test_closing_an_asynchronous_stream_closes_the_source_also_while_it_is_waited_for(guard):
    closed = []

    async def source():
        try:
            yield "cake"
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async with guard.stream(source(), hold_back=HOLD, max_delay_ms=1) as stream:
        assert await anext(stream) == "cake"
        task = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert closed == [True]


async def test_an_asynchronous_source_that_fails_gives_its_error_last(guard):
    async def source():
        yield "cake"
        raise ConnectionError("gone")

    stream = guard.stream(source(), hold_back=HOLD)
    assert await anext(stream) == "cake"
    with pytest.raises(ConnectionError):
        await anext(stream)


def test_a_session_can_be_driven_by_other_means(guard):
    """What integrations rely on that do not pull chunks but are given them."""
    stream = guard.stream(iter(()), hold_back=HOLD)
    session: Session[str] = stream._session
    session.start()
    out: list[str] = []
    for word in [*["cake "] * 20, None]:
        session.end() if word is None else session.add(word)
        if (text := session.question()) is not None:
            session.settle(session.judge.check(text))
        out.extend(session.leave())
    assert "".join(out) == "cake " * 20
    assert session.done
