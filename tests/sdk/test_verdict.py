"""Verdicts and reports: what cannot be said, what they answer, and how they are passed on."""

from __future__ import annotations

import copy
import json
import math
import pickle
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from unigurd_sdk.errors import ConfigError, PromptBlocked, UnknownPolicy
from unigurd_sdk.verdict import Report, TokenCount, Verdict, Window


def verdict(policy: str = "tax", score: float = 0.1, **changes: Any) -> Verdict:
    fields: dict[str, Any] = {
        "policy": policy,
        "unsafe": score >= 0.5,
        "score": score,
        "threshold": 0.5,
        "tokens": TokenCount(8, 8),
        "latency_ms": 2.5,
        "role": "user",
        "checkpoint": "tiny",
        "windows": (Window(0, 20, score),),
    }
    return Verdict(**(fields | changes))


def test_a_verdict_has_no_truth_value():
    with pytest.raises(TypeError, match=r"\.unsafe"):
        bool(verdict())
    with pytest.raises(TypeError, match=r"\.unsafe"):
        bool(Report((verdict(),)))
    with pytest.raises(TypeError):
        assert not verdict()


def test_valid_is_the_opposite_of_unsafe():
    assert (verdict(score=0.1).valid, verdict(score=0.9).valid) == (True, False)


def test_a_text_that_was_not_read_whole_cannot_be_safe():
    with pytest.raises(ConfigError, match="3 of 8 tokens cannot be safe"):
        verdict(tokens=TokenCount(3, 8))
    assert verdict(tokens=TokenCount(3, 8), unsafe=True).unsafe


@pytest.mark.parametrize("changes", [{"decided_by": "acme"}, {"error": "time-out"}])
def test_neither_plugins_nor_errors_make_an_unread_text_safe(changes: dict[str, Any]):
    with pytest.raises(ConfigError, match="cannot be safe"):
        verdict(tokens=TokenCount(0, 8), **changes)


def test_the_model_cannot_call_a_score_at_the_threshold_safe():
    with pytest.raises(ConfigError, match="reaches the threshold"):
        verdict(score=0.5, unsafe=False)
    assert verdict(score=0.5, unsafe=False, decided_by="acme").valid
    assert verdict(score=0.1, unsafe=True, error="time-out").unsafe


@pytest.mark.parametrize("score", [-0.1, 1.1, math.nan, math.inf])
def test_scores_are_probabilities(score: float):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        verdict(score=score, unsafe=True, windows=())
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Window(0, 1, score)


@pytest.mark.parametrize("threshold", [math.nan, math.inf])
def test_thresholds_are_finite(threshold: float):
    with pytest.raises(ConfigError, match="finite"):
        verdict(threshold=threshold)


@pytest.mark.parametrize("bounds", [(-1, 2), (3, 2)])
def test_windows_can_be_cut(bounds: tuple[int, int]):
    with pytest.raises(ConfigError, match="start <= end"):
        Window(*bounds, 0.5)


@pytest.mark.parametrize("counts", [(-1, 2), (3, 2)])
def test_token_counts_are_possible(counts: tuple[int, int]):
    with pytest.raises(ConfigError, match="scanned <= total"):
        TokenCount(*counts)


def test_windows_come_worst_first():
    with pytest.raises(ConfigError, match="worst first"):
        verdict(score=0.3, windows=(Window(0, 5, 0.1), Window(3, 9, 0.3)))
    assert verdict(score=0.3, windows=(Window(3, 9, 0.3), Window(0, 5, 0.3))).windows[0].start == 3


def test_values_are_frozen_copied_and_pickled():
    one = verdict()
    with pytest.raises(FrozenInstanceError):
        one.unsafe = True  # type: ignore[misc]
    assert copy.copy(one) == pickle.loads(pickle.dumps(one)) == one
    assert replace(one, role="document").role == "document"


def test_unsafe_verdicts_raise_and_carry_themselves():
    verdict().raise_if_unsafe()
    bad = verdict(score=0.9)
    with pytest.raises(PromptBlocked) as caught:
        bad.raise_if_unsafe()
    assert caught.value.verdict is bad


def test_a_verdict_goes_through_json():
    plain = verdict(score=0.9, views=("raw", "nfkc"), error="late").to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["windows"] == [{"start": 0, "end": 20, "score": 0.9}]
    assert plain["tokens"] == {"scanned": 8, "total": 8}
    assert plain["views"] == ["raw", "nfkc"]
    assert (plain["policy"], plain["unsafe"], plain["error"]) == ("tax", True, "late")


def test_a_report_is_read_like_a_mapping():
    tax, hate = verdict("tax"), verdict("hate", 0.9)
    report = Report((tax, hate))
    assert (list(report), len(report), report["hate"], "tax" in report) == (["tax", "hate"], 2, hate, True)
    with pytest.raises(UnknownPolicy) as caught:
        report["finance"]
    assert caught.value.known == ("hate", "tax")


def test_a_report_is_unsafe_if_any_verdict_is():
    assert Report((verdict("a"), verdict("b"))).valid
    report = Report((verdict("a"), verdict("b", 0.6)))
    assert (report.unsafe, report.valid) == (True, False)
    with pytest.raises(PromptBlocked) as caught:
        report.raise_if_unsafe()
    assert caught.value.verdict is report
    Report((verdict("a"),)).raise_if_unsafe()


def test_the_worst_verdict_is_the_furthest_over_its_threshold_and_unsafe_comes_first():
    near = verdict("near", 0.80, threshold=0.79, unsafe=True)
    far = verdict("far", 0.60, threshold=0.20, unsafe=True)
    blocked = verdict("blocked", 0.0, error="time-out", unsafe=True)
    assert Report((near, far)).worst is far
    assert Report((verdict("fine", 0.4), blocked)).worst is blocked


def test_a_report_checked_something_and_each_policy_once():
    with pytest.raises(ConfigError, match="at least one"):
        Report(())
    with pytest.raises(ConfigError, match="once"):
        Report((verdict("a"), verdict("a")))


def test_a_report_goes_through_json():
    plain = Report((verdict("a"), verdict("b", 0.9))).to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert (plain["unsafe"], plain["worst"], list(plain["verdicts"])) == (True, "b", ["a", "b"])
