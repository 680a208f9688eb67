"""Time limits end the wait, not the thread, and change nothing else about a call."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
import time

import pytest

from unigurd_sdk.errors import CheckTimeout, ConfigError
from unigurd_sdk.timed import awithin, checked_timeout, require_wanted, within

HERE = contextvars.ContextVar("HERE", default="nowhere")


def run(seconds, call):
    return within(seconds, call)


def arun(seconds, call):
    return asyncio.run(awithin(seconds, call))


both = pytest.mark.parametrize("limited", [run, arun])


@both
@pytest.mark.parametrize("seconds", [None, 30.0])
def test_a_call_in_time_returns_raises_and_sees_the_context(limited, seconds):
    token = HERE.set("here")
    assert limited(seconds, HERE.get) == "here"
    HERE.reset(token)
    with pytest.raises(ZeroDivisionError):
        limited(seconds, lambda: 1 // 0)


@both
def test_a_call_that_takes_too_long_is_left_behind(limited):
    release, ended = threading.Event(), threading.Event()

    def call():
        release.wait(30)
        ended.set()

    with pytest.raises(CheckTimeout) as caught:
        limited(0.05, call)
    assert caught.value.seconds == 0.05
    assert not ended.is_set()
    release.set()
    assert ended.wait(30)


@both
def test_long_work_that_is_left_behind_ends(limited):
    ended = threading.Event()

    def call():
        try:
            while True:
                require_wanted()
                time.sleep(0.001)
        finally:
            ended.set()

    with pytest.raises(CheckTimeout):
        limited(0.05, call)
    assert ended.wait(30)


async def test_a_coroutine_that_is_cancelled_leaves_its_work_behind():
    started, ended = threading.Event(), threading.Event()

    def call():
        started.set()
        try:
            while True:
                within(30.0, require_wanted)
                require_wanted()
        finally:
            ended.set()

    running = asyncio.ensure_future(awithin(None, call))
    while not started.is_set():
        await asyncio.sleep(0.001)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await asyncio.to_thread(ended.wait, 30)


def test_what_a_call_calls_is_left_behind_with_it():
    ended = threading.Event()

    def inner():
        try:
            while True:
                require_wanted()
        finally:
            ended.set()

    with pytest.raises(CheckTimeout):
        within(0.05, lambda: within(30.0, inner))
    assert ended.wait(30)


def test_work_with_and_without_a_limit_is_wanted():
    require_wanted()
    assert run(30.0, require_wanted) is None


@pytest.mark.slow
def test_a_process_ends_well_that_left_a_check_behind(keyword_checkpoint):
    script = f"""
from unigurd_sdk import CheckTimeout, Guard, Policy
policies = [Policy(name="no-cakes", description="no food", disallowed=("cake",))]
guard = Guard.from_pretrained({str(keyword_checkpoint)!r}, threads=1, max_windows=10**6, policies=policies)
guard.check("cake")
try:
    guard.check_messages([{{"role": "user", "content": "cake " * 400_000}}], timeout=0.05)
except CheckTimeout:
    print("too late")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "too late\n", "")


@both
def test_a_call_runs_in_the_background_only_with_a_limit(limited):
    assert limited(30.0, threading.current_thread).daemon


async def test_the_event_loop_runs_while_a_call_does():
    started, release = threading.Event(), threading.Event()

    def call():
        started.set()
        release.wait(30)

    running = asyncio.ensure_future(awithin(30.0, call))
    while not started.is_set():
        await asyncio.sleep(0.001)
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    release.set()


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_a_limit_that_makes_no_sense_is_refused(seconds):
    with pytest.raises(ConfigError, match="timeout"):
        checked_timeout(seconds)


def test_a_limit_may_be_none_or_any_time():
    assert checked_timeout(None) is None
    assert checked_timeout(0.001) == 0.001
