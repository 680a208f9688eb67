"""Judges: a question that is resolved once, asked often, and fails closed in its own way."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from unigurd_sdk.errors import CheckTimeout, ConfigError, GuardClosed, InferenceError, PolicyError
from unigurd_sdk.judge import located, worst
from unigurd_sdk.policy import Policy
from unigurd_sdk.runtime.onnx import OnnxRuntime
from unigurd_sdk.verdict import Report, TokenCount, Verdict, Window

BOMB = Policy(name="no-bombs", description="no weapons", disallowed=("bomb",))


@pytest.fixture
def broken(monkeypatch):
    def fail(*args):
        raise ValueError("broken")

    monkeypatch.setattr(OnnxRuntime, "score", fail)


def test_a_judge_answers_as_the_guard_does(guard):
    judge = guard._judge("no-bombs")
    for text in ("a bomb", "a cake", ""):
        assert judge.check(text).score == guard.check(text).score
        assert asyncio.run(judge.acheck(text)).score == guard.check(text).score
    assert [verdict.unsafe for verdict in judge.check_batch(["bomb", "cake"], [None, None])] == [True, False]


@pytest.mark.parametrize(
    "options", [{"policy": ["no-bombs", "tax"]}, {"policy": None, "policies": ["no-bombs", "tax"]}]
)
def test_several_policies_give_reports(guard, options):
    report = guard._judge(**options).check("bomb")
    assert isinstance(report, Report)
    assert list(report) == ["no-bombs", "tax"]


def test_a_judge_can_be_had_for_another_role(guard):
    judge = guard._judge("no-bombs")
    assert judge.of_role("document").check("cake").role == "document"
    assert judge.check("cake").role == "user"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"policy": "no-such-policy"}, PolicyError),
        ({"policy": []}, ConfigError),
        ({"policy": ["tax"], "policies": ["tax"]}, ConfigError),
        ({"policy": "tax", "role": "robot"}, ConfigError),
        ({"policy": "tax", "on_error": "ignore"}, ConfigError),
        ({"policy": "tax", "timeout": 0}, ConfigError),
        ({"policy": "tax", "threshold": 7}, ConfigError),
    ],
)
def test_mistakes_are_raised_when_the_question_is_put(guard, options, error):
    with pytest.raises(error):
        guard._judge(**options)


def test_a_text_that_is_none_is_refused(guard):
    with pytest.raises(TypeError):
        guard._judge("no-bombs").check(b"bomb")


@pytest.mark.parametrize("guard_says", ["raise", "block", "allow"])
@pytest.mark.parametrize("judge_says", ["raise", "block", "allow", None])
def test_a_failure_is_what_the_judge_says_or_else_the_guard(load, broken, guard_says, judge_says):
    judge = load(on_error=guard_says)._judge("no-bombs", on_error=judge_says)
    decision = judge_says or guard_says
    if decision == "raise":
        with pytest.raises(InferenceError):
            judge.check("cake")
    else:
        verdict = judge.check("cake")
        assert (verdict.unsafe, verdict.decided_by) == (decision == "block", f"on_error={decision}")
        assert "ValueError" in str(verdict.error)


def test_a_closed_guard_and_mistakes_are_errors_whatever_is_said(load):
    guard = load(on_error="allow")
    judge = guard._judge("no-bombs", on_error="allow")
    guard.close()
    for ask in (judge.check, lambda text: asyncio.run(judge.acheck(text)), judge.offsets):
        with pytest.raises(GuardClosed):
            ask("cake")


def test_time_is_up_for_each_call(load, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(OnnxRuntime, "score", lambda *args: release.wait(30))
    judge = load()._judge("no-bombs", timeout=0.05)
    with pytest.raises(CheckTimeout):
        judge.check("cake")
    with pytest.raises(CheckTimeout):
        asyncio.run(judge.acheck("cake"))
    release.set()


def test_a_clock_that_jumps_changes_nothing(guard, monkeypatch):
    jumps = iter(range(10**9, 0, -(10**7)))
    monkeypatch.setattr(time, "time", lambda: float(next(jumps)))
    verdict = guard._judge("no-bombs", timeout=60).check("bomb")
    assert verdict.unsafe
    assert 0 <= verdict.latency_ms < 60_000
    assert list(guard.stream(["a ", "cake"], hold_back=8, max_delay_ms=60_000)) == ["a ", "cake"]


def test_offsets_are_those_of_the_tokens(guard):
    assert guard._judge("no-bombs").offsets("a bomb ab") == [(0, 1), (2, 6), (7, 8), (8, 9)]


def test_without_a_tokenizer_every_character_counts(load, monkeypatch):
    def fail(*args):
        raise ValueError("broken")

    monkeypatch.setattr("unigurd_sdk.engine.create", fail)
    assert load()._judge("no-bombs").offsets("abc") == [(0, 1), (1, 2), (2, 3)]


def test_an_answer_about_a_part_can_be_moved_to_its_place():
    verdict = Verdict("p", True, 0.9, 0.5, TokenCount(3, 3), 1.0, "user", "tiny", windows=(Window(0, 4, 0.9),))
    moved = located(verdict, 10)
    assert isinstance(moved, Verdict)
    assert moved.windows == (Window(10, 14, 0.9),)
    report = located(Report((verdict,)), 10)
    assert isinstance(report, Report)
    assert report.worst == worst(report) == worst(moved) == moved
