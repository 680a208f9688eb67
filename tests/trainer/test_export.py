"""Export: two graphs and one weights file that compute what the model does, hashed, without a pickle."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from safetensors.numpy import load_file  # noqa: E402

from unigurd_sdk.checkpoint import Checkpoint  # noqa: E402
from unigurd_sdk.errors import ModelCorrupt, ModelIncompatible  # noqa: E402
from unigurd_sdk.manifest import Manifest  # noqa: E402
from unigurd_sdk.policy import Policy  # noqa: E402
from unigurd_sdk.runtime.onnx import OnnxRuntime  # noqa: E402
from unigurd_sdk.runtime.torch import TorchRuntime  # noqa: E402
from unigurd_trainer.export import export  # noqa: E402
from unigurd_trainer.graphs import fused_graphs  # noqa: E402
from unigurd_trainer.parity import compare, probes  # noqa: E402
from unigurd_trainer.quantise import quantise_rows  # noqa: E402
from unigurd_trainer.weights_file import INLINE_BYTES, tensor_spans  # noqa: E402

FILES = {"guard.json", "model.safetensors", "policy.onnx", "text.onnx", "tokenizer.json"}
PRECISIONS = ["fp32", "int8"]


@pytest.fixture(params=PRECISIONS)
def folder(request, make_checkpoint):
    return make_checkpoint(request.param)


@pytest.fixture
def opened(folder):
    return Checkpoint.open(folder)


def parity(checkpoint, other, policies=None):
    from unigurd_sdk.tokenizer import GuardTokenizer

    tokenizer = GuardTokenizer.from_file(checkpoint.file("tokenizer.json"))
    segments, known = probes(tokenizer, checkpoint.manifest)
    onnx_runtime = OnnxRuntime(checkpoint, threads=1)
    return compare(onnx_runtime, other, checkpoint.manifest, segments[:25], policies or known[:3])


def initializers(folder, role):
    return onnx.load(folder / f"{role}.onnx", load_external_data=False).graph.initializer


def test_a_checkpoint_is_five_files_and_no_pickle(folder):
    assert {path.name for path in folder.iterdir()} == FILES
    assert (folder / "model.safetensors").stat().st_mode & 0o044 == 0o044  # whoever installs it, others may read it


def test_every_file_is_hashed(opened):
    assert set(opened.manifest.files) == FILES - {"guard.json"}
    for name, entry in opened.manifest.files.items():
        assert hashlib.sha256((opened.folder / name).read_bytes()).hexdigest() == entry.sha256


def test_one_file_serves_both_runtimes(opened):
    manifest = opened.manifest
    assert manifest.weights == {
        "onnx": {"policy": "policy.onnx", "text": "text.onnx"},
        "torch": "model.safetensors",
    }
    assert manifest.state == ("vectors", "context", "valence")
    assert manifest.interaction == "lines-read"


@pytest.mark.parametrize("role", ["policy", "text"])
def test_large_tensors_lie_in_the_weights_file(folder, role):
    inline = [tensor for tensor in initializers(folder, role) if not tensor.external_data]
    assert all(len(tensor.raw_data) <= INLINE_BYTES for tensor in inline)
    outside = [tensor for tensor in initializers(folder, role) if tensor.external_data]
    assert outside
    assert {e.value for t in outside for e in t.external_data if e.key == "location"} == {"model.safetensors"}


def test_both_graphs_share_the_encoder(folder):
    spans = [
        {tuple((e.key, e.value) for e in tensor.external_data) for tensor in initializers(folder, role)} - {()}
        for role in ("policy", "text")
    ]
    shared = spans[0] & spans[1]
    assert len(shared) >= 1 + 2 * 4  # word embeddings; four products of each of two layers


def test_spans_point_at_the_tensors(folder):
    path = folder / "model.safetensors"
    content = path.read_bytes()
    spans = tensor_spans(path)
    tensors = load_file(path)
    assert set(spans) == set(tensors)
    for name, tensor in tensors.items():
        span = spans[name]
        assert content[span.offset : span.offset + span.length] == tensor.tobytes()
        assert span.offset % tensor.itemsize == 0


def test_int8_quantises_the_encoder_and_its_words_but_not_the_head(make_checkpoint):
    tensors = load_file(make_checkpoint("int8") / "model.safetensors")
    small = {name for name, tensor in tensors.items() if tensor.dtype == np.int8}
    assert "bert.embeddings.word_embeddings.weight" in small
    assert "bert.encoder.layer.1.attention.self.qkv.weight" in small
    assert len(small) == 1 + 2 * 4
    assert all(name + "_scale" in tensors for name in small)
    sizes = {p: (make_checkpoint(p) / "model.safetensors").stat().st_size for p in PRECISIONS}
    assert sizes["int8"] < sizes["fp32"]


def test_float32_onnx_computes_what_the_model_does(make_checkpoint, make_model):
    checkpoint = Checkpoint.open(make_checkpoint("fp32"))
    result = parity(checkpoint, TorchRuntime(checkpoint, model=make_model(trained=True)))
    assert result.pairs == 75
    assert result.worst < 1e-4
    assert result.equal == 1.0


@pytest.mark.parametrize("words", [1, 300])
def test_policies_of_any_length_agree(make_checkpoint, words):
    checkpoint = Checkpoint.open(make_checkpoint("fp32"))
    policy = Policy(name="x", description="loan " * words, disallowed=tuple(f"card {n}" for n in range(words // 4)))
    assert parity(checkpoint, TorchRuntime(checkpoint), [policy]).worst < 1e-4


def test_int8_is_close_to_the_model_and_closer_to_its_own_weights(make_checkpoint, make_model):
    checkpoint = Checkpoint.open(make_checkpoint("int8"))
    trained = parity(checkpoint, TorchRuntime(checkpoint, model=make_model(trained=True)))
    assert 0 < trained.worst < 0.05
    assert 0 < parity(checkpoint, TorchRuntime(checkpoint)).worst < 0.05


def test_int8_weights_come_back_within_half_a_step(make_checkpoint, make_model):
    from unigurd_sdk.runtime.torch import load_model

    restored, wanted = (
        load_model(Checkpoint.open(make_checkpoint("int8"))).state_dict(), make_model(trained=True).state_dict()
    )  # fmt: skip
    for name, weight in wanted.items():
        rows = weight.abs().amax(-1, keepdim=True) if weight.dim() == 2 else 0 * weight
        assert ((restored[name] - weight).abs() <= rows / 127 * 0.51).all(), name


def test_rows_are_quantised_with_their_own_scale():
    rows = np.array([[1.0, -0.5, 0.0], [100.0, 50.0, -100.0], [0.0, 0.0, 0.0]], dtype=np.float32)
    values, scale = quantise_rows(rows)
    assert values.tolist() == [[127, -64, 0], [127, 64, -127], [0, 0, 0]]
    np.testing.assert_allclose(values * scale, rows, atol=0.5)
    np.testing.assert_allclose((values * scale)[0], rows[0], atol=0.005)


def test_a_checkpoint_works_where_it_was_moved_to_and_through_links(folder, tmp_path):
    """The Hub's cache keeps blobs in one folder and links to them in another."""
    blobs, linked = tmp_path / "blobs", tmp_path / "snapshot"
    shutil.copytree(folder, blobs)
    linked.mkdir()
    for path in blobs.iterdir():
        (linked / path.name).symlink_to(path)
    for place in (blobs, linked):
        runtime = OnnxRuntime(Checkpoint.open(place), threads=1)
        state = runtime.encode_policy(Policy(name="x", description="no loan"))
        assert np.isfinite(runtime.score([[5, 9, 6]], [state])).all()


@pytest.mark.parametrize("change", ["flip", "cut", "remove"])
def test_damage_to_the_weights_is_found_before_anything_is_loaded(folder, tmp_path, change):
    copy = shutil.copytree(folder, tmp_path / "copy")
    path = copy / "model.safetensors"
    content = path.read_bytes()
    if change == "remove":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if change == "cut" else content[:-1] + bytes([content[-1] ^ 255]))
    with pytest.raises(ModelCorrupt) as caught:
        Checkpoint.open(copy)
    assert caught.value.file.name == "model.safetensors"


@pytest.mark.parametrize("interaction", ["full", "prefix-lines"])
def test_a_model_without_a_cacheable_state_cannot_be_exported(make_model, tiny_tokenizer_file, tmp_path, interaction):
    manifest = Manifest(name="x", interaction=interaction, base_model="x", base_licence="MIT", max_length=32, overlap=8)
    with pytest.raises(ModelIncompatible, match=f"'{interaction}' cannot be exported"):
        export(make_model(interaction), tiny_tokenizer_file, tmp_path / "out", manifest)
    assert not (tmp_path / "out").exists()


def test_an_untrained_model_with_equal_tensors_exports_too(make_model, tiny_tokenizer_file, tmp_path):
    manifest = Manifest(name="x", interaction="lines", base_model="x", base_licence="MIT", max_length=32, overlap=8)
    model = make_model("lines")
    export(model, tiny_tokenizer_file, tmp_path, manifest, "int8")
    checkpoint = Checkpoint.open(tmp_path)
    assert checkpoint.manifest.interaction == "lines"
    assert parity(checkpoint, TorchRuntime(checkpoint)).worst < 0.05


def test_operators_are_fused(make_model):
    kinds = {node.op_type for node in fused_graphs(make_model(trained=True))["text"].graph.node}
    assert {"Attention", "BiasGelu", "SkipLayerNormalization"} <= kinds
