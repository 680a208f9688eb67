"""Int8 weights, float32 arithmetic: both runtimes compute the same, and a batch does not change a score."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.manifest import Manifest
from unigurd_sdk.policy import Policy
from unigurd_sdk.runtime.onnx import OnnxRuntime
from unigurd_sdk.runtime.torch import TorchRuntime
from unigurd_trainer.export import export

POLICIES = [
    Policy(name="one", description="no lamp", disallowed=("the oven",)),
    Policy(name="two", description="only the oven", allowed=("a lamp", "a door")),
]
SEGMENTS = [[2, 9, 8, 3], [2, 7, 3], [2, 11, 12, 6, 9, 10, 7, 3]]


@pytest.fixture
def checkpoint(make_model, tiny_tokenizer_file, tmp_path):
    manifest = Manifest(name="t", interaction="lines-read", base_model="b", base_licence="MIT", max_length=64)
    export(make_model("lines-read", trained=True), tiny_tokenizer_file, tmp_path / "c", manifest, "int8-weights")
    return Checkpoint.open(tmp_path / "c")


def score(runtime, segments=SEGMENTS, policies=POLICIES):
    return runtime.score(segments, [runtime.encode_policy(policy) for policy in policies])


def test_onnx_and_torch_compute_the_same(checkpoint):
    onnx, torch = score(OnnxRuntime(checkpoint)), score(TorchRuntime(checkpoint))
    assert onnx.std() > 1e-3
    assert np.abs(onnx - torch).max() < 1e-4


def test_a_score_does_not_depend_on_its_batch(checkpoint):
    runtime = OnnxRuntime(checkpoint)
    together = score(runtime)
    alone = np.concatenate([score(runtime, [segment]) for segment in SEGMENTS])
    one_policy = np.concatenate([score(runtime, policies=[policy]) for policy in POLICIES], axis=1)
    assert np.abs(together - alone).max() < 1e-4
    assert np.abs(together - one_policy).max() < 1e-4


def test_the_encoder_is_stored_as_int8_and_the_head_is_not(checkpoint):
    from safetensors.numpy import load_file

    stored = load_file(checkpoint.file("model.safetensors"))
    linear = [name for name in stored if name.endswith("dense.weight") or name.endswith("qkv.weight")]
    assert len(linear) >= 4
    assert all(stored[name].dtype == np.int8 for name in linear if name.startswith("bert."))
    assert all(stored[name].dtype == np.float32 for name in stored if name.startswith("head."))
