"""Which arithmetic a guard takes: what is asked for, what the checkpoint has, what the processor computes exactly."""

from __future__ import annotations

import shutil

import numpy as np
import onnxruntime
import pytest

from unigurd_sdk.checkpoint import Checkpoint, write_manifest
from unigurd_sdk.errors import ConfigError, ModelCorrupt, ModelIncompatible
from unigurd_sdk.guard import Guard
from unigurd_sdk.policy import Policy
from unigurd_sdk.runtime import arithmetic
from unigurd_sdk.runtime.arithmetic import PROBE, choose_arithmetic, has_exact_products
from unigurd_sdk.runtime.onnx import OnnxRuntime

BOMB = Policy(name="no-bombs", description="no weapons", disallowed=("bomb",))


@pytest.fixture(scope="module")
def folder(keyword_checkpoint, tmp_path_factory):
    """A checkpoint with a second text graph, whose logits are half of those of the first."""
    import onnx

    folder = tmp_path_factory.mktemp("two") / "checkpoint"
    shutil.copytree(keyword_checkpoint, folder)
    graph = onnx.load(folder / "text.onnx")
    for tensor in graph.graph.initializer:
        if tensor.name in ("gain", "bias"):
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) / 2, tensor.name))
    onnx.save(graph, folder / "text-int8.onnx")
    manifest = Checkpoint.open(keyword_checkpoint).manifest
    weights = {"onnx": {"policy": "policy.onnx", "text": "text.onnx", "text-int8": "text-int8.onnx"}}
    write_manifest(folder, manifest.model_copy(update={"weights": weights}))
    return folder


@pytest.fixture
def checkpoint(folder):
    return Checkpoint.open(folder)


@pytest.fixture
def processor(monkeypatch):
    """Let the processor be one that multiplies exactly, or not."""

    def be(exact):
        monkeypatch.setattr(arithmetic, "has_exact_products", lambda: exact)

    return be


@pytest.fixture
def asked_anew():
    """The processor is asked again, in the test and after it."""
    has_exact_products.cache_clear()
    yield
    has_exact_products.cache_clear()


def logit(guard, text="bomb"):
    score = guard.check(text, BOMB).score
    return round(2.0 * float(np.log(score / (1 - score))), 3)


@pytest.mark.parametrize(
    ("asked", "exact", "used", "logit_of_bomb"),
    [("auto", True, "int8", 2.0), ("auto", False, "float32", 4.0), ("float32", True, "float32", 4.0),
     ("int8", True, "int8", 2.0)],
)  # fmt: skip
def test_a_guard_uses_what_it_says(folder, processor, asked, exact, used, logit_of_bomb):
    processor(exact)
    with Guard.from_pretrained(folder, threads=1, arithmetic=asked) as guard:
        assert guard.arithmetic == used
        assert logit(guard) == logit_of_bomb


def test_int8_on_a_processor_that_is_not_exact_is_an_error_at_once(folder, processor):
    processor(False)
    with pytest.raises(ConfigError, match="does not compute it exactly"):
        Guard.from_pretrained(folder, arithmetic="int8", on_error="allow")


def test_a_checkpoint_without_the_graph_works_in_float32(keyword_checkpoint, processor):
    processor(True)
    with Guard.from_pretrained(keyword_checkpoint, threads=1) as guard:
        assert guard.arithmetic == "float32"
        assert logit(guard) == 4.0
    with pytest.raises(ConfigError, match="'keyword' has no text graph for it"):
        Guard.from_pretrained(keyword_checkpoint, arithmetic="int8")
    with pytest.raises(ModelIncompatible, match="text-int8"):
        OnnxRuntime(Checkpoint.open(keyword_checkpoint), arithmetic="int8")


def test_torch_computes_in_float32_only(checkpoint, processor):
    processor(True)
    assert choose_arithmetic(checkpoint.manifest, "torch", "auto") == "float32"
    with pytest.raises(ConfigError, match="torch"):
        choose_arithmetic(checkpoint.manifest, "torch", "int8")


def test_a_name_that_is_none_is_refused(folder):
    with pytest.raises(ConfigError, match="auto, float32, int8, not 'int4'"):
        Guard.from_pretrained(folder, arithmetic="int4")  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"no graph")])
def test_a_second_graph_that_is_missing_or_damaged_is_an_error(folder, tmp_path, damage):
    copy = shutil.copytree(folder, tmp_path / "copy")
    damage(copy / "text-int8.onnx")
    with pytest.raises(ModelCorrupt) as caught:
        Guard.from_pretrained(copy, arithmetic="float32")
    assert caught.value.file.name == "text-int8.onnx"


def test_policies_are_encoded_by_the_same_graph(checkpoint):
    states = [OnnxRuntime(checkpoint, threads=1, arithmetic=each).encode_policy(BOMB) for each in ("float32", "int8")]
    first, second = (state.tensors["words"] for state in states)
    assert np.array_equal(first, second)


# The probe


def test_the_probe_multiplies_numbers_whose_pairs_do_not_fit_in_16_bits():
    import onnx

    model = onnx.load_from_string(PROBE)
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["ConstantOfShape", "MatMulIntegerToFloat"]
    session = onnxruntime.InferenceSession(PROBE, providers=["CPUExecutionProvider"])
    rows = np.full((3, 64), 129, dtype=np.uint8)  # less 128 is 1, so nothing saturates, whatever the processor
    assert session.run(None, {"rows": rows})[0].tolist() == [[64 * 127.0] * 32] * 3
    assert 2 * 255 * 127 > np.iinfo(np.int16).max


def test_the_processor_is_asked_once_and_only_if_need_be(folder, keyword_checkpoint, monkeypatch, asked_anew):
    asked, original = [], arithmetic._probe

    def probe():
        asked.append(1)
        return original()

    monkeypatch.setattr(arithmetic, "_probe", probe)
    for guard in (
        Guard.from_pretrained(folder, threads=1, arithmetic="float32"),
        Guard.from_pretrained(folder, threads=1),
    ):
        with guard:
            assert asked == []
    with Guard.from_pretrained(keyword_checkpoint, threads=1) as guard:
        guard.check("cake", BOMB)
        assert asked == []
    for _ in range(2):
        with Guard.from_pretrained(folder, threads=1) as guard:
            guard.check("cake", BOMB)
            guard.check("bomb", BOMB)
            assert asked == [1]


def saturated():
    """Compute what processors do that add pairs of products in 16 bits."""
    pair = min(2 * 255 * 127, np.iinfo(np.int16).max)
    return np.full((4, 32), 32 * pair - 128 * 64 * 127, dtype=np.float32)


def failing():
    raise onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented("no such operator")


@pytest.mark.parametrize("result", [saturated, failing])
def test_a_processor_that_saturates_or_lacks_the_operator_gets_float32(folder, monkeypatch, asked_anew, result):
    monkeypatch.setattr(arithmetic, "_probe", result)
    with Guard.from_pretrained(folder, threads=1) as guard:
        assert guard.arithmetic == "float32"
        assert logit(guard) == 4.0
