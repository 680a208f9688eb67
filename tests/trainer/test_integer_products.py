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


def kinds(model):
    return [node.op_type for node in model.graph.node]


def score(checkpoint, arithmetic, segments=SEGMENTS, policies=POLICIES, **options):
    runtime = OnnxRuntime(checkpoint, threads=1, arithmetic=arithmetic, **options)
    return runtime.score(segments, [runtime.encode_policy(policy) for policy in policies])


def encoder_graph(rows, gain, shift, weight):
    """Build x -> layer norm -> product with an int8 weight, as `quantise_weights` gives it."""
    values, real = helper.make_tensor_value_info, TensorProto.FLOAT
    tensors = {"gain": gain, "shift": shift, "w": weight}
    nodes = [
        helper.make_node("LayerNormalization", ["x", "gain", "shift"], ["normed"], axis=-1),
        helper.make_node("MatMul", ["normed", "w"], ["y"]),
    ]
    ends = [values(name, real, ["b", "t", size]) for name, size in (("x", rows.shape[-1]), ("y", weight.shape[1]))]
    graph = helper.make_graph(
        nodes, "product", ends[:1], ends[1:],
        [numpy_helper.from_array(tensor.astype(np.float32), name) for name, tensor in tensors.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return quantise_weights(helper.make_model(graph, opset_imports=opsets, ir_version=8), {"w": "a.weight"}).graph


def multiply(rows, gain, shift, weight):
    """Multiply normed rows with a weight as the graph does: its int8 form in float32, and in integers."""
    import onnxruntime

    graph = encoder_graph(rows, gain, shift, weight)
    return [
        onnxruntime.InferenceSession(form.SerializeToString()).run(None, {"x": rows})[0]
        for form in (graph, integer_products(graph))
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
    assert np.abs(together - alone).max() < 1e-5  # float32 sums in another order


@exact
def test_rows_are_as_exact_as_one_another_whatever_they_were_before_the_norm():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((2, 4, 96)).astype(np.float32)
    rows *= np.array([1e-3, 1.0, 1e3, 1e6], dtype=np.float32)[:, None]
    gain = rng.uniform(0.5, 1.5, 96)
    gain[0] *= 30  # as encoders have it: one feature that is much larger than the others
    expected, found = multiply(rows, gain, rng.standard_normal(96), rng.standard_normal((96, 48)))
    assert found.shape == (2, 4, 48)
    error = np.abs(found - expected).max(axis=-1) / np.abs(expected).max(axis=-1)
    assert 0 < error.max() < 5e-3


@exact
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_largest_value_there_can_be_is_not_cut_off(sign):
    rows = np.zeros((1, 2, 64), dtype=np.float32)
    rows[0, 1, 5] = sign * 1e6  # its norm has one feature of nearly sqrt(64)
    expected, found = multiply(rows, np.full(64, 3.0), np.zeros(64), np.eye(64))
    assert abs(expected[0, 1, 5]) > 0.98 * 3.0 * 8.0
    np.testing.assert_allclose(found, expected, atol=2e-3)


@exact
def test_a_norm_of_nothing_gives_zeros():
    expected, found = multiply(np.ones((1, 3, 64), np.float32), np.zeros(64), np.zeros(64), np.ones((64, 32)))
    assert not expected.any()
    assert not found.any()


@pytest.mark.parametrize("wrong", [np.inf, np.nan])
def test_a_product_without_a_finite_bound_stays_in_float32(wrong):
    shapes = np.ones((1, 1, 64), np.float32), np.full(64, wrong), np.zeros(64), np.eye(64)
    graph = encoder_graph(*shapes)
    assert kinds(integer_products(graph)) == kinds(graph)


def test_a_product_of_something_unknown_stays_in_float32():
    graph = encoder_graph(np.ones((1, 1, 64), np.float32), np.ones(64), np.zeros(64), np.eye(64))
    graph.graph.node[-2].op_type = "Softsign"
    del graph.graph.node[-2].input[1:]
    assert kinds(integer_products(graph)) == kinds(graph)


@exact
def test_guards_take_it_by_themselves_and_say_so(checkpoint):
    texts = ["my lamp", "tell me about the oven please", "tax " * 60]
    with Guard(checkpoint, threads=1) as fast, Guard(checkpoint, threads=1, arithmetic="float32") as slow:
        assert (fast.arithmetic, slow.arithmetic) == ("int8", "float32")
        scores = [[v.score for v in each.check_batch(texts, POLICIES[0])] for each in (fast, slow)]
    assert scores[0] != scores[1]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)
