"""The torch runtime answers what ONNX answers from the same file, and says which file is wrong when one is."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from unigurd_sdk.checkpoint import Checkpoint, write_manifest  # noqa: E402
from unigurd_sdk.errors import ConfigError, InferenceError, ModelCorrupt, ModelIncompatible  # noqa: E402
from unigurd_sdk.guard import Guard  # noqa: E402
from unigurd_sdk.policy import Policy  # noqa: E402
from unigurd_sdk.runtime.base import PolicyState  # noqa: E402
from unigurd_sdk.runtime.onnx import OnnxRuntime  # noqa: E402
from unigurd_sdk.runtime.torch import TorchRuntime, load_model  # noqa: E402
from unigurd_sdk.tokenizer import GuardTokenizer  # noqa: E402

POLICIES = [
    Policy(name="short", description="No loan."),
    Policy(name="lists", description="About cars.", allowed=("wheel", "tyre horn"), disallowed=("brake", "my engine")),
    Policy(name="long", description=" ".join(f"Never name {word} and the {word} card." for word in "abcdefghijklmnop")),
    Policy(name="long-line", description="loan card " * 40),
]  # fmt: skip
TEXTS = ["", "loan", "tell me about my brake please", "hotel flight passport " * 8, "zebra stripes", "wheel " * 25]


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint):
    return Checkpoint.open(tiny_checkpoint)


@pytest.fixture(scope="module")
def segments(checkpoint):
    tokenizer = GuardTokenizer.from_file(checkpoint.file("tokenizer.json"))
    return [tokenizer.wrap(tokenizer.encode(text).ids) for text in TEXTS]


def logits_of(runtime, segments, policies):
    return runtime.score(segments, [runtime.encode_policy(policy) for policy in policies])


def changed(folder, target, change):
    """Copy a checkpoint, let `change` edit its tensors, and list the new hashes."""
    shutil.copytree(folder, target)
    path = target / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    return Checkpoint(target, write_manifest(target, Checkpoint.open(folder, verify="size").manifest), "changed")


def test_states_are_those_of_onnx(checkpoint):
    for policy in POLICIES:
        ours = TorchRuntime(checkpoint).encode_policy(policy).tensors
        theirs = OnnxRuntime(checkpoint, threads=1).encode_policy(policy).tensors
        assert list(ours) == list(theirs) == ["vectors", "context", "valence"]
        for name in ours:
            np.testing.assert_allclose(ours[name], theirs[name], atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_scores_are_those_of_onnx(checkpoint, segments, count):
    ours = logits_of(TorchRuntime(checkpoint), segments, POLICIES[:count])
    assert ours.shape == (len(TEXTS), count)
    assert np.ptp(ours) > 0.1
    theirs = logits_of(OnnxRuntime(checkpoint, threads=1), segments, POLICIES[:count])
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_score_depends_neither_on_padding_nor_on_other_policies(checkpoint, segments):
    runtime = TorchRuntime(checkpoint)
    states = [runtime.encode_policy(policy) for policy in POLICIES]
    together = runtime.score(segments, states)
    for row, segment in enumerate(segments):
        for column, state in enumerate(states):
            np.testing.assert_allclose(runtime.score([segment], [state]), together[row, column], atol=1e-5)


def test_a_guard_gives_the_same_verdicts_on_both_runtimes(tiny_checkpoint):
    texts = [text for text in TEXTS if text]
    reports = []
    for runtime in ("onnx", "torch"):
        with Guard.from_pretrained(tiny_checkpoint, runtime=runtime) as guard:
            reports.append([guard.check(text, policies=POLICIES) for text in texts])
    for ours, theirs in zip(*reports, strict=True):
        assert [v.unsafe for v in ours.verdicts] == [v.unsafe for v in theirs.verdicts]
        assert [v.score for v in ours.verdicts] == pytest.approx([v.score for v in theirs.verdicts], abs=1e-4)


def test_nothing_to_score_gives_an_empty_array(checkpoint):
    runtime = TorchRuntime(checkpoint)
    assert runtime.score([], [runtime.encode_policy(POLICIES[0])]).shape == (0, 1)


def test_a_closed_runtime_loads_again(checkpoint, segments):
    runtime = TorchRuntime(checkpoint)
    states = [runtime.encode_policy(POLICIES[0])]
    before = runtime.score(segments, states)
    runtime.close()
    assert np.array_equal(runtime.score(segments, states), before)


def test_a_given_model_takes_the_place_of_the_weights(checkpoint, make_model, segments):
    same, other = (
        TorchRuntime(checkpoint, model=model) for model in (make_model(trained=True), make_model(trained=True, seed=1))
    )
    logits = [r.score(segments, [r.encode_policy(POLICIES[1])]) for r in (TorchRuntime(checkpoint), same, other)]
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-5)
    assert not np.allclose(logits[0], logits[2], atol=1e-3)


def test_threads_are_the_business_of_the_process(checkpoint):
    with pytest.raises(ConfigError, match="set_num_threads"):
        TorchRuntime(checkpoint, threads=1)


def test_a_missing_cuda_device_is_said(checkpoint, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="no CUDA device"):
        TorchRuntime(checkpoint, "cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_scores_of_the_cpu(checkpoint, segments):
    cpu, cuda = (logits_of(TorchRuntime(checkpoint, device), segments, POLICIES) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(cpu, cuda, atol=1e-3)


def test_a_score_that_is_no_number_is_an_error(checkpoint, segments):
    runtime = TorchRuntime(checkpoint)
    state = runtime.encode_policy(POLICIES[0]).tensors
    broken = PolicyState({name: np.full_like(tensor, np.nan) for name, tensor in state.items()})
    with pytest.raises(InferenceError, match="finite"):
        runtime.score(segments, [broken])


def test_a_damaged_weights_file_is_named(tiny_checkpoint, tmp_path):
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "damaged")
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelCorrupt, match="sha256") as caught:
        Checkpoint.open(folder)
    assert caught.value.file.name == "model.safetensors"


def test_a_file_that_is_no_safetensors_is_named(tiny_checkpoint, tmp_path):
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "garbage")
    (folder / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0not json")
    manifest = write_manifest(folder, Checkpoint.open(tiny_checkpoint).manifest)
    with pytest.raises(ModelCorrupt) as caught:
        load_model(Checkpoint(folder, manifest, "garbage"))
    assert caught.value.file.name == "model.safetensors"


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.pop("head.scale"),
        lambda tensors: tensors.pop("bert.encoder.layer.0.attention.self.qkv.bias"),
        lambda tensors: tensors.update({"head.scale": torch.ones(3)}),
        lambda tensors: tensors.update({"extra": torch.ones(3)}),
    ],
    ids=["missing", "missing-qkv", "shape", "extra"],
)
def test_weights_that_do_not_fit_the_config_are_named(tiny_checkpoint, tmp_path, change):
    checkpoint = changed(tiny_checkpoint, tmp_path / "misfit", change)
    with pytest.raises(ModelCorrupt, match="config") as caught:
        load_model(checkpoint)
    assert caught.value.file.name == "model.safetensors"


@pytest.mark.parametrize("config", [{"interaction": "psychic"}, {"wings": 2}])
def test_a_config_of_another_version_is_refused(checkpoint, config):
    manifest = checkpoint.manifest.model_copy(update={"config": {**checkpoint.manifest.config, **config}})
    with pytest.raises(ModelIncompatible, match="config"):
        load_model(Checkpoint(checkpoint.folder, manifest, "x"))


def test_the_manifest_says_all_that_is_needed_to_build_the_model(checkpoint):
    config = json.loads((checkpoint.folder / "guard.json").read_text())["config"]
    assert config["encoder.hidden_size"] == 32
    assert config["interaction"] == "lines-read"
