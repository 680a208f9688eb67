"""The engine fails closed, keeps to its limits, and loads a model once."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from tokenizers import Tokenizer

from unigurd_sdk import engine, runtime
from unigurd_sdk.errors import (
    ConfigError,
    GuardClosed,
    InferenceError,
    LimitExceeded,
    MissingExtra,
    ModelIncompatible,
)
from unigurd_sdk.guard import Guard
from unigurd_sdk.policy import Policy
from unigurd_sdk.runtime.onnx import OnnxRuntime

BOMB = Policy(name="no-bombs", description="no weapons", disallowed=("bomb",))
CAKE = Policy(name="no-cakes", description="no food", allowed=("recipe",), disallowed=("cake", "gun"))
SECRET = "xyzzy secret text"


@pytest.fixture
def guard_policies():
    return []


class BrokenRuntime:
    """Fails in a way that quotes the text, as libraries do."""

    def __init__(self, error: BaseException | None = None, logits: float = 0.0) -> None:
        self.error, self.logits = error or ValueError(SECRET), logits

    def encode_policy(self, policy):
        return None

    def score(self, segments, states):
        if self.logits:
            return np.full((len(segments), len(states)), self.logits, dtype=np.float32)
        raise self.error

    def close(self):
        pass


@pytest.fixture
def broken(load, monkeypatch):
    def broken(on_error="raise", **failure):
        monkeypatch.setattr(engine, "create", lambda *args: BrokenRuntime(**failure))
        return load(on_error=on_error)

    return broken


# Failing closed


def test_a_failing_model_raises_and_keeps_the_cause_but_not_the_text(broken):
    with pytest.raises(InferenceError) as caught:
        broken().check(SECRET, BOMB)
    assert isinstance(caught.value.__cause__, ValueError)
    assert SECRET not in str(caught.value)
    assert caught.value.policy == "no-bombs"


def test_a_failing_model_blocks_if_asked_to(broken, caplog):
    verdict = broken("block").check(SECRET, BOMB)
    assert (verdict.unsafe, verdict.score) == (True, 1.0)
    assert "ValueError" in str(verdict.error)
    assert SECRET not in f"{verdict}{caplog.text}"


def test_a_failing_model_allows_only_if_asked_to_and_the_verdict_says_so(broken, caplog):
    verdict = broken("allow").check(SECRET, BOMB)
    assert not verdict.unsafe
    assert verdict.decided_by == "on_error=allow"
    assert "ValueError" in str(verdict.error)
    assert "on_error=allow" in caplog.text


def test_a_failing_model_blocks_every_policy_of_a_report_and_every_text_of_a_batch(broken):
    guard = broken("block")
    report = guard.check("x", policies=[BOMB, CAKE])
    assert [verdict.unsafe for verdict in report.verdicts] == [True, True]
    assert [verdict.unsafe for verdict in guard.check_batch(["x", "y"], BOMB)] == [True, True]


@pytest.mark.parametrize("logits", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_an_error(broken, logits):
    with pytest.raises(InferenceError, match="finite"):
        broken(logits=logits).check("x", BOMB)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("on_error", ["raise", "block", "allow"])
def test_an_interrupt_is_never_swallowed(broken, on_error, stop):
    with pytest.raises(stop):
        broken(on_error, error=stop()).check("x", BOMB)


def test_a_model_that_cannot_be_loaded_fails_closed(load, monkeypatch):
    def fail(*args):
        raise ModelIncompatible("no such operator")

    monkeypatch.setattr(engine, "create", fail)
    with pytest.raises(ModelIncompatible):
        load().check("x", BOMB)
    assert load(on_error="block").check("x", BOMB).unsafe


# Limits


def test_a_text_over_the_limit_is_refused_whole(load):
    guard = load(max_bytes=8)
    assert guard.check("bomb" * 2, BOMB).tokens.total > 0
    with pytest.raises(LimitExceeded) as caught:
        guard.check("b" * 9, BOMB)
    assert (caught.value.limit, caught.value.actual) == (8, 9)
    with pytest.raises(LimitExceeded):
        guard.check("\u00e9" * 5, BOMB)
    with pytest.raises(LimitExceeded):
        guard.check("b", BOMB, role="assistant", prompt="b" * 9)


def test_a_text_over_the_limit_blocks_itself_and_not_its_batch(load):
    answers = load(max_bytes=8, on_error="block").check_batch(["cake", "b" * 9, "bomb"], BOMB)
    assert [answer.unsafe for answer in answers] == [False, True, True]
    assert [answer.error is None for answer in answers] == [True, False, True]
    assert "limit of 8" in str(answers[1].error)


# Loading, sharing, closing


def test_nothing_is_loaded_before_the_first_check_and_then_once_for_all_threads(load, monkeypatch):
    created, barrier = [], threading.Barrier(8)

    def create(*args):
        created.append(args)
        return runtime.create(*args)

    monkeypatch.setattr(engine, "create", create)
    guard = load()
    assert created == []

    def check(index):
        barrier.wait(10)
        return guard.check("bomb" if index % 2 else "cake", BOMB).score

    with ThreadPoolExecutor(8) as pool:
        scores = list(pool.map(check, range(8)))
    assert scores == [guard.check(text, BOMB).score for text in ("cake", "bomb") * 4]
    assert len(created) == 1


def test_the_tokenizer_is_read_once(load, monkeypatch):
    read = []
    original = Tokenizer.from_file

    def from_file(path):
        read.append(path)
        return original(path)

    monkeypatch.setattr("tokenizers.Tokenizer", SimpleNamespace(from_file=from_file))
    load().check("bomb", BOMB)
    assert len(read) == 1


def test_a_policy_is_encoded_once_whatever_its_name(guard, monkeypatch):
    encoded = []
    original = OnnxRuntime.encode_policy

    def encode(self, policy):
        encoded.append(policy.name)
        return original(self, policy)

    monkeypatch.setattr(OnnxRuntime, "encode_policy", encode)
    for policy in (BOMB, BOMB, BOMB.model_copy(update={"name": "other"}), CAKE):
        guard.check("bomb", policy)
    assert encoded == ["no-bombs", "no-cakes"]


def test_a_closed_guard_refuses_to_check_whatever_on_error_says(load):
    for on_error in ("raise", "block", "allow"):
        guard = load(on_error=on_error)
        guard.check("bomb", BOMB)
        guard.close()
        guard.close()
        with pytest.raises(GuardClosed):
            guard.check("bomb", BOMB)


def test_leaving_the_context_closes_the_guard(keyword_checkpoint):
    with Guard.from_pretrained(keyword_checkpoint) as guard:
        pass
    with pytest.raises(GuardClosed):
        guard.check("bomb", BOMB)


def test_the_representation_names_the_checkpoint(guard):
    assert repr(guard) == f"Guard(keyword@{guard.checkpoint.id})"


# Runtimes and devices


def test_onnx_does_not_run_on_a_gpu(keyword_checkpoint):
    with pytest.raises(ConfigError, match="torch"):
        Guard.from_pretrained(keyword_checkpoint, runtime="onnx", device="cuda")


def test_cuda_without_torch_names_the_extra(keyword_checkpoint, monkeypatch):
    monkeypatch.setattr("unigurd_sdk.runtime.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"unigurd-sdk\[torch\]"):
        Guard.from_pretrained(keyword_checkpoint, device="cuda")


def test_a_runtime_without_weights_is_refused_at_once(keyword_checkpoint, monkeypatch):
    monkeypatch.setattr("unigurd_sdk.runtime.find_spec", lambda name: object())
    with pytest.raises(ModelIncompatible, match="torch"):
        Guard.from_pretrained(keyword_checkpoint, runtime="torch")
