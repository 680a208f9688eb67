"""Bounds of activations hold for whatever the encoder reads, and are not far from what it reaches."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper  # noqa: E402

from unigurd_sdk.checkpoint import Checkpoint  # noqa: E402
from unigurd_trainer.activation_bounds import Bounds  # noqa: E402

KINDS = ("LayerNormalization", "SkipLayerNormalization", "Attention", "BiasGelu")


@pytest.fixture(scope="module")
def graph(make_checkpoint):
    folder = Checkpoint.open(make_checkpoint("int8-weights")).folder
    return onnx.load(folder / "text.onnx")


def bounded(graph):
    """Name what the encoder's products read, with its bound, by the operator that makes it."""
    known = Bounds.of(graph)
    stored = {name.removesuffix("_quantized") for name in known.tensors if name.endswith("_quantized")}
    products = [
        node for node in graph.graph.node if node.op_type in ("MatMul", "Attention") and node.input[1] in stored
    ]
    return {node.input[0]: (known.makers[node.input[0]].op_type, known.largest(node.input[0])) for node in products}


def test_every_product_of_the_encoder_has_a_bound(graph):
    found = bounded(graph)
    assert {kind for kind, _ in found.values()} == set(KINDS)
    assert len(found) == 2 * 4
    assert all(bound is not None and 0 < bound < 1e3 for _, bound in found.values())


def test_no_text_reaches_beyond_a_bound(graph):
    import onnxruntime

    found = bounded(graph)
    watched = onnx.ModelProto()
    watched.CopyFrom(graph)
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in found)
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    ids = np.random.default_rng(0).integers(5, 100, (64, 32))
    state = {"vectors": (1, 3, 32), "context": (1, 3, 24), "valence": (1, 3), "vectors_mask": (1, 3)}
    sizes = {each.name: each.type.tensor_type.shape.dim[-1].dim_value for each in graph.graph.input}
    feed = {n: np.ones((*s[:-1], sizes[n] or s[-1]), np.float32) for n, s in state.items() if n in sizes}
    values = session.run(list(found), {"input_ids": ids, "attention_mask": np.ones_like(ids), **feed})
    for (kind, bound), value in zip(found.values(), values, strict=True):
        assert np.abs(value).max() <= bound * (1 + 1e-6), kind
        assert np.abs(value).max() > bound / 100, kind


def test_of_an_unknown_tensor_nothing_is_known(graph):
    known = Bounds.of(graph)
    assert known.largest("input_ids") is None
    assert known.largest(next(node.output[0] for node in graph.graph.node if node.op_type == "Softmax")) is None
