"""Calls of protected functions: results of all kinds, and checks that fail or take too long."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from unigurd_sdk.errors import CheckTimeout, ConfigError, InferenceError, PromptBlocked
from unigurd_sdk.runtime.onnx import OnnxRuntime
from unigurd_sdk.stream.guarded import AsyncGuardedStream, GuardedStream
from unigurd_sdk.verdict import Verdict

# Results


def answer_of(text):
    return SimpleNamespace(choices=[SimpleNamespace(index=0, message=SimpleNamespace(content=text))])


def test_answers_of_libraries_are_read_and_returned_as_they_are(guard):
    function = guard.protect(output_policy="no-bombs")(lambda answer: answer)
    for answer in (answer_of("cake"), SimpleNamespace(content="cake"), {"content": "cake"}):
        assert function(answer) is answer
    for answer in (answer_of("bomb"), SimpleNamespace(content="bomb"), {"content": "bomb"}):
        with pytest.raises(PromptBlocked):
            function(answer)


@pytest.mark.parametrize("result", [None, 3, ["bomb"], object()])
def test_a_result_that_cannot_be_read_does_not_leave(load, result):
    function = load(on_error="allow").protect(output_policy="no-bombs")(lambda: result)
    with pytest.raises(ConfigError, match="text="):
        function()


def test_text_says_what_a_result_says(guard):
    function = guard.protect(output_policy="no-bombs", text=lambda result: result["said"])(lambda said: {"said": said})
    assert function("cake") == {"said": "cake"}
    with pytest.raises(PromptBlocked):
        function("bomb")


def test_an_iterator_that_a_function_returns_is_streamed(guard):
    function = guard.protect(output_policy="no-bombs")(lambda chunks: iter(chunks))
    assert isinstance(function(["cake"]), GuardedStream)
    assert list(function(["a ", "cake"])) == ["a ", "cake"]
    with pytest.raises(PromptBlocked):
        list(function(["a ", "bomb"]))


async def test_an_asynchronous_iterator_that_a_coroutine_returns_is_streamed(guard):
    async def chunks(last):
        yield "a "
        yield last

    @guard.protect(output_policy="no-bombs")
    async def create(last):
        return chunks(last)

    assert isinstance(await create("cake"), AsyncGuardedStream)
    assert [chunk async for chunk in await create("cake")] == ["a ", "cake"]
    with pytest.raises(PromptBlocked):
        _ = [chunk async for chunk in await create("bomb")]


def test_an_awaitable_of_a_plain_function_is_refused_since_nobody_has_read_it(guard):
    async def answer():
        return "bomb"

    with pytest.raises(TypeError, match="async def"):
        guard.protect(output_policy="no-bombs")(lambda: answer())()


def test_a_generator_that_is_closed_closes_the_function_and_returns_what_it_should(guard):
    closed = []

    def numbers(prompt):
        try:
            got = yield "cake"
            yield f"{got} filler"
            return "end"
        finally:
            closed.append(prompt)

    running = guard.protect(output_policy="no-bombs")(numbers)("one")
    next(running)
    running.close()
    plain = guard.protect(policy="no-bombs")(numbers)("two")
    assert (next(plain), plain.send("sent")) == ("cake", "sent filler")
    with pytest.raises(StopIteration, match="end"):
        next(plain)
    assert closed == ["one", "two"]


# Failing closed


def fail(*args):
    raise ValueError("broken")


def test_a_failed_check_follows_the_guard_or_the_decorator(load, protected, monkeypatch):
    monkeypatch.setattr(OnnxRuntime, "score", fail)
    for on_error, asked in (("raise", None), ("block", "raise"), ("allow", "raise")):
        with pytest.raises(InferenceError):
            protected(load(on_error=on_error).protect(policy="no-bombs", on_error=asked))[0]("cake")
    for on_error, asked in (("block", None), ("raise", "block")):
        with pytest.raises(PromptBlocked):
            protected(load(on_error=on_error).protect(policy="no-bombs", on_error=asked))[0]("cake")
    for on_error, asked in (("allow", None), ("raise", "allow")):
        function, _ = protected(load(on_error=on_error).protect(output_policy="no-bombs", on_error=asked))
        assert function("cake") == "about cake"


def test_what_is_let_pass_by_name_is_recorded(load, monkeypatch, caplog):
    monkeypatch.setattr(OnnxRuntime, "score", fail)
    load().protect(policy="no-bombs", on_error="allow")(lambda prompt: prompt)("cake")
    assert "on_error=allow decides" in caplog.text


@pytest.fixture
def stuck(monkeypatch):
    """A model that does not answer before the test is over."""
    release = threading.Event()
    monkeypatch.setattr(OnnxRuntime, "score", lambda *args: release.wait(30))
    yield
    release.set()


@pytest.mark.parametrize("place", ["policy", "output_policy"])
def test_a_check_that_takes_too_long_is_given_up_in_time(load, protected, stuck, place):
    options = {place: "no-bombs"}
    function, _ = protected(load().protect(**options, timeout=0.5))
    started = time.monotonic()
    with pytest.raises(CheckTimeout) as caught:
        function("cake")
    assert caught.value.seconds == 0.5
    assert 0.5 <= time.monotonic() - started < 10  # long before the model answers


def test_a_check_that_takes_too_long_never_lets_the_call_through_unasked(load, protected, stuck):
    function, called = protected(load(on_error="block").protect(policy="no-bombs", timeout=0.05))
    with pytest.raises(PromptBlocked) as caught:
        function("cake")
    assert isinstance(caught.value.verdict, Verdict)
    assert caught.value.verdict.decided_by == "on_error=block"
    assert "0.05 s" in str(caught.value.verdict.error)
    assert called == []
    function, _ = protected(load().protect(policy="no-bombs", timeout=0.05, on_error="allow"))
    assert function("cake") == "about cake"
