"""Concurrent checks go to the model together, and each caller gets its own answer or its own error."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import Future
from typing import Any

import pytest

from unigurd_sdk import gathering
from unigurd_sdk.gathering import MOST_TOGETHER, Call, Gatherer
from unigurd_sdk.policy import Policy
from unigurd_sdk.request import Request

TAX, FOOD = Policy(name="tax", description="no tax"), Policy(name="food", description="no food")


class Answering:
    """Notes what is asked together, waits until it may answer, and fails on some texts."""

    def __init__(self, *failing: str) -> None:
        self.batches: list[list[str]] = []
        self.busy, self.go = threading.Event(), threading.Event()
        self.failing = failing

    def __call__(self, texts, prompts, request):
        self.batches.append(list(texts))
        self.busy.set()
        assert self.go.wait(10)
        if bad := [text for text in texts if text in self.failing]:
            raise ValueError(bad[0])
        return [(f"{request.policies[0].name}: {text}, {prompt}",) for text, prompt in zip(texts, prompts, strict=True)]


def ask(policy: Policy = TAX, threshold: float = 0.5) -> Request:
    return Request((policy,), (threshold,), "user", 0.0)


def call(text: str, policy: Policy = TAX, prompt: str | None = None) -> Call:
    return Call(text, prompt, lambda: ask(policy))


@pytest.fixture
def busy():
    """A gatherer that is busy with a first call, and what answers for it."""
    opened: list[Gatherer] = []

    def start(*failing: str) -> tuple[Gatherer, Answering, Future[Any]]:
        answering = Answering(*failing)
        gatherer = Gatherer(answering)
        opened.append(gatherer)
        first = gatherer.submit(call("first"))
        assert answering.busy.wait(10)
        return gatherer, answering, first

    yield start
    for each in opened:
        each.close()


def test_what_queues_up_while_the_model_is_busy_is_answered_together(busy):
    gatherer, answering, first = busy()
    futures = [gatherer.submit(call(f"text {n}", prompt=str(n))) for n in range(20)]
    answering.go.set()
    assert first.result(10) == ("tax: first, None",)
    assert [future.result(10) for future in futures] == [(f"tax: text {n}, {n}",) for n in range(20)]
    assert [len(batch) for batch in answering.batches] == [1, 20]


def test_only_calls_that_ask_the_same_are_answered_together(busy):
    gatherer, answering, _ = busy()
    futures = [gatherer.submit(call(str(n), (TAX, FOOD)[n % 2])) for n in range(6)]
    futures.append(gatherer.submit(Call("other threshold", None, lambda: ask(threshold=0.9))))
    answering.go.set()
    assert [future.result(10)[0] for future in futures[:2]] == ["tax: 0, None", "food: 1, None"]
    assert [future.result(10) for future in futures[2:]]
    assert answering.batches[1:] == [["0", "2", "4"], ["1", "3", "5"], ["other threshold"]]


def test_policies_of_one_wording_keep_their_names(busy):
    gatherer, answering, _ = busy()
    renamed = TAX.model_copy(update={"name": "fees"})
    futures = [gatherer.submit(call("a", policy)) for policy in (TAX, renamed)]
    answering.go.set()
    assert [future.result(10)[0] for future in futures] == ["tax: a, None", "fees: a, None"]


def test_a_batch_is_bounded(busy):
    gatherer, answering, _ = busy()
    futures = [gatherer.submit(call(str(n))) for n in range(MOST_TOGETHER + 5)]
    answering.go.set()
    assert len({future.result(10) for future in futures}) == len(futures)
    assert [len(batch) for batch in answering.batches] == [1, MOST_TOGETHER, 5]


def test_an_error_reaches_its_own_caller_only(busy):
    gatherer, answering, _ = busy("bad")
    good, bad = gatherer.submit(call("good")), gatherer.submit(call("bad"))
    answering.go.set()
    assert good.result(10) == ("tax: good, None",)
    with pytest.raises(ValueError, match="bad"):
        bad.result(10)
    assert gatherer.submit(call("after")).result(10)


def test_a_request_that_cannot_be_resolved_is_its_callers_error(busy):
    gatherer, answering, _ = busy()

    def refuse() -> Request:
        raise KeyError("no such policy")

    wrong, right = gatherer.submit(Call("a", None, refuse)), gatherer.submit(call("b"))
    answering.go.set()
    with pytest.raises(KeyError):
        wrong.result(10)
    assert right.result(10)


def test_a_cancelled_call_is_not_answered(busy):
    gatherer, answering, _ = busy()
    futures = [gatherer.submit(call(text)) for text in ("dropped", "kept")]
    assert futures[0].cancel()
    answering.go.set()
    assert futures[1].result(10)
    assert answering.batches[1:] == [["kept"]]


def test_closing_answers_what_is_queued_and_a_later_call_starts_again(busy):
    gatherer, answering, first = busy()
    queued = gatherer.submit(call("queued"))
    gatherer.close()
    answering.go.set()
    assert first.result(10)
    assert queued.result(10)
    assert gatherer.submit(call("later")).result(10) == ("tax: later, None",)


def test_without_calls_the_thread_ends_and_the_next_call_starts_another(busy, monkeypatch):
    monkeypatch.setattr(gathering, "IDLE_SECONDS", 0.01)
    gatherer, answering, first = busy()
    answering.go.set()
    assert first.result(10)
    thread = gatherer._thread
    assert thread is not None
    thread.join(10)
    assert not thread.is_alive()
    assert gatherer.submit(call("later")).result(10)


def _answer_in_child(gatherer: Gatherer, pipe) -> None:
    pipe.send(gatherer.submit(call("child")).result(10))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
def test_a_forked_process_has_a_thread_of_its_own(busy):
    gatherer, answering, first = busy()
    answering.go.set()
    assert first.result(10)
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=_answer_in_child, args=(gatherer, theirs))
    child.start()
    assert ours.poll(20)
    assert ours.recv() == ("tax: child, None",)
    child.join(20)
