"""The ONNX runtime batches by length, answers in order and refuses what is not a score."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.errors import ConfigError, InferenceError, ModelIncompatible
from unigurd_sdk.policy import Policy
from unigurd_sdk.runtime import onnx
from unigurd_sdk.runtime.base import PolicyState
from unigurd_sdk.runtime.batches import batches
from unigurd_sdk.runtime.onnx import OnnxRuntime
from unigurd_sdk.tokenizer import GuardTokenizer

POLICIES = [
    Policy(name="bombs", description="weapons", disallowed=("bomb",)),
    Policy(name="cakes", description="food", allowed=("recipe",), disallowed=("cake", "gun")),
]
TEXTS = ["bomb", "cake " * 20, "", "filler " * 25 + "bomb", "recipe", "gun cake", "bomb " * 28]
EXPECTED = [[4, -4], [-4, 4], [-4, -4], [4, -4], [-4, -12], [-4, 12], [4, -4]]


@pytest.fixture(scope="module")
def checkpoint(keyword_checkpoint):
    return Checkpoint.open(keyword_checkpoint)


@pytest.fixture
def runtime(checkpoint):
    return OnnxRuntime(checkpoint, threads=1)


@pytest.fixture(scope="module")
def segments(checkpoint):
    tokenizer = GuardTokenizer.from_file(checkpoint.file("tokenizer.json"))
    return [tokenizer.wrap(tokenizer.encode(text).ids) for text in TEXTS]


def changed(checkpoint, **fields):
    return Checkpoint(checkpoint.folder, checkpoint.manifest.model_copy(update=fields), checkpoint.id)


def test_a_policy_has_one_row_per_line(runtime):
    states = [runtime.encode_policy(policy) for policy in POLICIES]
    assert [state.tensors["words"].shape[0] for state in states] == [2, 4]


@pytest.mark.parametrize("batch_tokens", [1, 40, 100, 10_000])
def test_scores_do_not_depend_on_the_batches(checkpoint, segments, batch_tokens):
    runtime = OnnxRuntime(checkpoint, threads=1, batch_tokens=batch_tokens)
    states = [runtime.encode_policy(policy) for policy in POLICIES]
    scores = runtime.score(segments, states)
    assert scores.dtype == np.float32
    assert scores.tolist() == EXPECTED


def test_padding_a_shorter_policy_does_not_change_its_scores(runtime, segments):
    states = [runtime.encode_policy(policy) for policy in POLICIES]
    together = runtime.score(segments, states)
    alone = np.concatenate([runtime.score(segments, [state]) for state in states], axis=1)
    assert together.tolist() == alone.tolist()


def test_no_segments_or_no_policies_give_no_scores(runtime, segments):
    assert runtime.score([], [runtime.encode_policy(POLICIES[0])]).shape == (0, 1)
    assert runtime.score(segments, []).shape == (len(segments), 0)


def test_threads_share_a_graph_that_is_loaded_once(checkpoint, segments, monkeypatch):
    loaded, original = [], onnx._load

    def load(path, threads):
        loaded.append(path)
        return original(path, threads)

    monkeypatch.setattr(onnx, "_load", load)
    runtime = OnnxRuntime(checkpoint, threads=1)
    assert loaded == []

    def score(_):
        return runtime.score(segments, [runtime.encode_policy(policy) for policy in POLICIES]).tolist()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(score, range(8))) == [EXPECTED] * 8
    assert len(loaded) == 2


def test_values_that_are_not_finite_are_an_error(runtime, segments):
    words = runtime.encode_policy(POLICIES[0]).tensors["words"]
    with pytest.raises(InferenceError, match="finite"):
        runtime.score(segments, [PolicyState({"words": words * np.float32("nan")})])


def test_a_graph_with_an_input_that_nobody_feeds_is_incompatible(runtime, segments):
    words = runtime.encode_policy(POLICIES[0]).tensors["words"]
    with pytest.raises(ModelIncompatible, match="'words'"):
        runtime.score(segments, [PolicyState({"other": words})])


def test_only_declared_inputs_are_fed(runtime, segments):
    words = runtime.encode_policy(POLICIES[0]).tensors["words"]
    assert runtime.score(segments, [PolicyState({"words": words, "other": words})])[0] == 4


def test_inputs_are_cast_to_the_declared_type(runtime, segments):
    words = runtime.encode_policy(POLICIES[0]).tensors["words"].astype(np.float16)
    assert runtime.score(segments, [PolicyState({"words": words})])[0] == 4


def test_a_long_line_is_split_and_not_cut(runtime, segments):
    policy = Policy(name="long", description="filler " * 40, disallowed=("filler " * 40 + "bomb",))
    state = runtime.encode_policy(policy)
    assert state.tensors["words"].shape[0] == 6
    assert runtime.score(segments[:1], [state])[0, 0] == 4


def test_a_checkpoint_without_onnx_weights_is_incompatible(checkpoint):
    with pytest.raises(ModelIncompatible, match="no weights for onnx"):
        OnnxRuntime(changed(checkpoint, weights={}))


@pytest.mark.parametrize("options", [{"device": "cuda"}, {"threads": 0}, {"batch_tokens": 0}])
def test_options_that_make_no_sense_are_refused(checkpoint, options):
    with pytest.raises(ConfigError):
        OnnxRuntime(checkpoint, **options)


@given(st.lists(st.integers(1, 200), max_size=60), st.integers(0, 500))
def test_batches_cover_every_row_once_within_the_budget_and_with_little_padding(lengths, budget):
    groups = [group.tolist() for group in batches(lengths, budget)]
    assert sorted(row for group in groups for row in group) == list(range(len(lengths)))
    for group in groups:
        sizes = [lengths[row] for row in group]
        assert len(group) == 1 or max(sizes) * len(group) <= budget
        assert max(sizes) <= max(min(sizes) * 1.25, min(sizes) + 8)
