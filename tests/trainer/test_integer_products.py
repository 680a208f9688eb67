"""Int8 arithmetic: the same tensors, scores that stay, whatever else is in the batch."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from unigurd_sdk.checkpoint import Checkpoint  # noqa: E402
from unigurd_sdk.guard import Guard  # noqa: E402
from unigurd_sdk.policy import Policy  # noqa: E402
from unigurd_sdk.runtime.arithmetic import has_exact_products  # noqa: E402
from unigurd_sdk.runtime.onnx import OnnxRuntime  # noqa: E402
from unigurd_trainer.integer_products import integer_products  # noqa: E402
from unigurd_trainer.weight_only import quantise_weights  # noqa: E402

POLICIES = [
    Policy(name="one", description="no lamp", disallowed=("the oven",)),
    Policy(name="two", description="only the oven", allowed=("a lamp", "a door")),
]
SEGMENTS = [[5, 90, 80, 6], [5, 70, 6], [5, 110, 12, 64, 90, 100, 71, 6] * 3, [5, *range(20, 45), 6]]

exact = pytest.mark.skipif(not has_exact_products(), reason="products of int8 saturate on this processor")


@pytest.fixture(scope="module")
def checkpoint(make_checkpoint):
    return Checkpoint.open(make_checkpoint("int8-weights"))


def graph_of(checkpoint, role):
    return onnx.load(checkpoint.file(f"{role}.onnx"), load_external_data=False).graph


def score(checkpoint, arithmetic, segments=SEGMENTS, policies=POLICIES, **options):
    runtime = OnnxRuntime(checkpoint, threads=1, arithmetic=arithmetic, **options)
    return runtime.score(segments, [runtime.encode_policy(policy) for policy in policies])


def multiply(rows, weight):
    """Multiply rows with a weight as the graph does: its int8 form in float32, and in integers."""
    import onnxruntime

    values, real = helper.make_tensor_value_info, TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "product",
        [values("x", real, ["b", "t", rows.shape[-1]])], [values("y", real, ["b", "t", weight.shape[-1]])],
        [numpy_helper.from_array(weight, "w")],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = quantise_weights(helper.make_model(graph, opset_imports=opsets, ir_version=8), {"w": "a.weight"}).graph
    return [
        onnxruntime.InferenceSession(form.SerializeToString()).run(None, {"x": rows})[0]
        for form in (model, integer_products(model))
    ]


def test_the_manifest_names_a_second_text_graph(checkpoint):
    assert checkpoint.manifest.weights["onnx"] == {
        "policy": "policy.onnx",
        "text": "text.onnx",
        "text-int8": "text-int8.onnx",
    }
    assert "text-int8.onnx" in checkpoint.manifest.files


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_other_precisions_have_one_text_graph(make_checkpoint, precision):
    assert set(Checkpoint.open(make_checkpoint(precision)).manifest.weights["onnx"]) == {"policy", "text"}


def test_both_text_graphs_read_the_same_tensors(checkpoint):
    spans = [
        {t.name: sorted((e.key, e.value) for e in t.external_data) for t in graph_of(checkpoint, role).initializer}
        for role in ("text", "text-int8")
    ]
    assert spans[0].items() <= spans[1].items()
    assert not any(spans[1][name] for name in spans[1].keys() - spans[0])  # what it has besides are a few scalars


def test_every_product_of_the_encoder_is_one_of_integers_and_none_of_the_head(checkpoint):
    before, after = ([node.op_type for node in graph_of(checkpoint, role).node] for role in ("text", "text-int8"))
    assert before.count("Attention") == 2
    assert after.count("MatMulIntegerToFloat") == 2 * 2 * 4  # digits, layers, products
    assert after.count("MultiHeadAttention") == 2
    assert "Attention" not in after
    assert before.count("MatMul") - after.count("MatMul") == 2 * 3


@exact
def test_scores_are_those_of_float32(checkpoint):
    one, other = (score(checkpoint, arithmetic) for arithmetic in ("float32", "int8"))
    assert one.std() > 1e-3
    assert 0 < np.abs(one - other).max() < 1e-3


@exact
@pytest.mark.parametrize("batch_tokens", [1, 30, 4096])
def test_a_score_does_not_depend_on_its_batch(checkpoint, batch_tokens):
    together = score(checkpoint, "int8", batch_tokens=batch_tokens)
    alone = np.concatenate([score(checkpoint, "int8", [segment]) for segment in SEGMENTS])
    assert np.abs(together - alone).max() < 1e-6


@exact
def test_rows_of_very_different_sizes_are_as_exact_as_one_another():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((2, 5, 96)).astype(np.float32)
    rows *= np.array([1e-20, 1e-3, 1.0, 1e3, 1e20], dtype=np.float32)[:, None]
    rows[..., 0] *= 30  # as encoders have it: one feature that is much larger than the others
    expected, found = multiply(rows, rng.standard_normal((96, 48)).astype(np.float32))
    assert found.shape == (2, 5, 48)
    error = np.abs(found - expected).max(axis=-1) / np.abs(expected).max(axis=-1)
    assert error.max() < 1e-3


@exact
def test_a_row_of_zeros_gives_zeros():
    weight = np.random.default_rng(0).standard_normal((64, 32)).astype(np.float32)
    rows = np.zeros((1, 3, 64), dtype=np.float32)
    rows[0, 1] = 1.0
    expected, found = multiply(rows, weight)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert not found[0, [0, 2]].any()


@exact
def test_what_is_not_finite_does_not_become_a_number():
    rows = np.ones((1, 2, 64), dtype=np.float32)
    rows[0, 0, 3] = np.inf
    _, found = multiply(rows, np.ones((64, 32), dtype=np.float32))
    assert not np.isfinite(found[0, 0]).any()
    np.testing.assert_allclose(found[0, 1], 64.0, rtol=1e-4)


@exact
def test_guards_take_it_by_themselves_and_say_so(checkpoint):
    texts = ["my lamp", "tell me about the oven please", "tax " * 60]
    with Guard(checkpoint, threads=1) as fast, Guard(checkpoint, threads=1, arithmetic="float32") as slow:
        assert (fast.arithmetic, slow.arithmetic) == ("int8", "float32")
        scores = [[v.score for v in each.check_batch(texts, POLICIES[0])] for each in (fast, slow)]
    assert scores[0] != scores[1]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)
