"""The cache encodes each policy once, forgets the least used and keeps no errors."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from unigurd_sdk.errors import ConfigError
from unigurd_sdk.state_cache import StateCache


def test_a_second_get_does_not_make_the_state_again():
    cache: StateCache[object] = StateCache()
    first = cache.get(("c", "p"), object)
    assert cache.get(("c", "p"), object) is first


def test_checkpoints_and_policies_do_not_share_states():
    cache: StateCache[object] = StateCache()
    assert len({id(cache.get(key, object)) for key in [("c", "p"), ("c", "q"), ("d", "p")]}) == 3


def test_the_least_recently_used_state_is_forgotten_first():
    cache: StateCache[object] = StateCache(2)
    a, b = cache.get(("c", "a"), object), cache.get(("c", "b"), object)
    assert cache.get(("c", "a"), object) is a
    cache.get(("c", "c"), object)
    assert len(cache) == 2
    assert cache.get(("c", "a"), object) is a
    assert cache.get(("c", "b"), object) is not b


def test_an_error_is_raised_and_not_kept():
    cache: StateCache[str] = StateCache()

    def fail() -> str:
        raise RuntimeError("no")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="no"):
            cache.get(("c", "p"), fail)
    assert len(cache) == 0
    assert cache.get(("c", "p"), lambda: "yes") == "yes"


def test_threads_that_ask_for_the_same_state_encode_it_once():
    cache: StateCache[object] = StateCache()
    waiting, go, made = threading.Barrier(8), threading.Event(), []

    def make() -> object:
        go.wait(5)
        made.append(1)
        return object()

    def ask() -> object:
        waiting.wait(5)
        return cache.get(("c", "p"), make)

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(ask) for _ in range(8)]
        go.set()
        states = {id(future.result(5)) for future in futures}
    assert made == [1]
    assert len(states) == 1


def test_a_slow_policy_does_not_hold_up_another():
    cache: StateCache[str] = StateCache()
    started, release = threading.Event(), threading.Event()

    def slow() -> str:
        started.set()
        assert release.wait(5)
        return "slow"

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(cache.get, ("c", "slow"), slow)
        assert started.wait(5)
        assert cache.get(("c", "fast"), lambda: "fast") == "fast"
        release.set()
        assert future.result(5) == "slow"


def test_after_a_failure_a_waiting_thread_tries_itself():
    cache: StateCache[str] = StateCache()
    started, release = threading.Event(), threading.Event()

    def fail() -> str:
        started.set()
        assert release.wait(5)
        raise RuntimeError("first")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, ("c", "p"), fail)
        assert started.wait(5)
        second = pool.submit(cache.get, ("c", "p"), lambda: "second")
        release.set()
        assert second.result(5) == "second"
        assert isinstance(first.exception(5), RuntimeError)


def test_a_cache_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="cache_size"):
        StateCache(0)


def test_clear_forgets():
    cache: StateCache[object] = StateCache()
    cache.get(("c", "p"), object)
    cache.clear()
    assert len(cache) == 0
