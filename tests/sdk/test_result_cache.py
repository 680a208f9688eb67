"""Verdicts are remembered by a hash of what they depend on; failures are not, and the number is bounded."""

from __future__ import annotations

import time

import pytest

from unigurd_sdk.errors import ConfigError
from unigurd_sdk.guard import Guard
from unigurd_sdk.policy import Policy
from unigurd_sdk.request import Request
from unigurd_sdk.result_cache import ResultCache
from unigurd_sdk.template import Role
from unigurd_sdk.verdict import TokenCount, Verdict

TAX = Policy(name="tax", description="no tax")


class Asking:
    """Gives verdicts, and notes which texts it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts, prompts, request):
        self.asked += texts
        return [(self._verdict(text, request),) for text in texts]

    def _verdict(self, text, request):
        failed = "failed" if text == "bad" else None
        return Verdict(
            policy=request.policies[0].name, unsafe=True, score=1.0, threshold=request.thresholds[0],
            tokens=TokenCount(1, 1), latency_ms=-1.0, role=request.role, checkpoint="c", error=failed,
        )  # fmt: skip


def ask(policy: Policy = TAX, threshold: float = 0.5, role: Role = "user") -> Request:
    return Request((policy,), (threshold,), role, time.perf_counter())


def test_a_text_is_asked_for_once_and_answers_keep_their_order():
    cache, asking = ResultCache(10), Asking()
    answers = cache.answer(["a", "b", "a"], [None] * 3, ask(), asking)
    again = cache.answer(["b", "c"], [None] * 2, ask(threshold=0.5), asking)
    assert asking.asked == ["a", "b", "c"]
    assert [len(answer) for answer in answers + again] == [1] * 5
    assert all(answer[0].latency_ms >= 0 for answer in answers + again)


@pytest.mark.parametrize(
    ("prompt", "request_"),
    [
        ("why?", ask()),
        (None, ask(threshold=0.6)),
        (None, ask(role="document")),
        (None, ask(TAX.model_copy(update={"name": "fees"}))),
        (None, ask(Policy(name="tax", description="no fees"))),
    ],
)
def test_whatever_else_a_verdict_depends_on_is_another_result(prompt, request_):
    cache, asking = ResultCache(10), Asking()
    cache.answer(["a"], [None], ask(), asking)
    cache.answer(["a"], [prompt], request_, asking)
    assert asking.asked == ["a", "a"]


def test_prompt_and_text_are_told_apart():
    cache, asking = ResultCache(10), Asking()
    cache.answer(["b\0c", "c", ""], ["a", "a\0b", None], ask(), asking)
    assert len(asking.asked) == 3


def test_the_least_recently_used_is_forgotten():
    cache, asking = ResultCache(2), Asking()
    for text in ("a", "b", "a", "c", "a", "b"):
        cache.answer([text], [None], ask(), asking)
    assert asking.asked == ["a", "b", "c", "b"]
    assert len(cache) == 2
    cache.clear()
    assert len(cache) == 0


def test_a_failed_check_is_tried_again():
    cache, asking = ResultCache(10), Asking()
    for _ in range(2):
        assert cache.answer(["bad"], [None], ask(), asking)[0][0].error == "failed"
    assert asking.asked == ["bad", "bad"]


def test_no_text_is_kept():
    cache = ResultCache(10)
    cache.answer(["xyzzy secret text"], [None], ask(), Asking())
    assert "xyzzy" not in repr(vars(cache))


def test_a_size_below_one_is_refused():
    with pytest.raises(ConfigError, match="at least 1"):
        ResultCache(0)


def counted(score, runs: list[int]):
    def call(*asked):
        runs.append(1)
        return score(*asked)

    return call


def test_a_guard_remembers_only_if_asked_to(keyword_checkpoint, monkeypatch):
    bomb, runs = Policy(name="no-bombs", description="no weapons", disallowed=("bomb",)), list[int]()
    for size in (0, 10):
        with Guard.from_pretrained(keyword_checkpoint, threads=1, cache_results=size) as guard:
            first = guard.check("bomb \ud800", bomb)
            monkeypatch.setattr(guard._engine, "_score", counted(guard._engine._score, runs))
            second = guard.check("bomb \ud800", bomb)
            assert (first.score, first.windows, first.unsafe) == (second.score, second.windows, second.unsafe)
    assert len(runs) == 1


def test_a_wrong_size_is_the_callers_error(keyword_checkpoint):
    with pytest.raises(ConfigError, match="cache_results"):
        Guard.from_pretrained(keyword_checkpoint, cache_results=-1)
