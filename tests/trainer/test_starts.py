"""What fine-tuning may begin with: a checkpoint, a run, or a base encoder that nothing has trained."""

import json

import pytest

pytest.importorskip("torch")

import torch

from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.errors import ModelNotFound
from unigurd_trainer.starts import find_start


def test_a_checkpoint_gives_its_weights_and_manifest(tiny_checkpoint):
    start = find_start(str(tiny_checkpoint))
    opened = Checkpoint.open(tiny_checkpoint)
    assert (start.id, start.manifest) == (opened.id, opened.manifest)
    assert start.tokenizer_file.is_file()


def test_a_base_encoder_gets_a_fresh_head_by_seed(tiny_base):
    one, same, other = (find_start(f"base:{tiny_base}", seed=seed) for seed in (1, 1, 2))
    weights = [start.model.head.line_in.weight for start in (one, same, other)]
    assert weights[0].equal(weights[1])
    assert not weights[0].equal(weights[2])
    assert one.id != other.id
    assert one.manifest.base_model == str(tiny_base)
    assert one.manifest.max_length <= one.model.config.encoder.max_position_embeddings


def test_a_run_gives_its_last_weights(tiny_recipe, tmp_path):
    from safetensors.torch import save_file

    from unigurd_trainer.gip import build

    recipe = tiny_recipe()
    model, _ = build(recipe)
    with torch.no_grad():
        model.head.scale.fill_(7.0)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, tmp_path / "best.safetensors")
    progress = {"examples": 5, "tokens": 9, "seconds": 1.0, "cpu_seconds": 1.0, "scores": {}}
    result = {"recipe_hash": "r", "data_hash": "d", "seed": 0, "versions": {}, "progress": progress}
    (tmp_path / "recipe.json").write_text(recipe.model_dump_json())
    (tmp_path / "result.json").write_text(json.dumps(result))
    start = find_start(str(tmp_path))
    assert start.model.head.scale.item() == 7.0
    assert start.manifest.examples_seen == 5


def test_an_unknown_name_says_where_it_looked(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelNotFound):
        find_start("nowhere")
