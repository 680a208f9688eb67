"""What pretraining goes on from: the last weights of a run, or a checkpoint by folder or name."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")

from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.errors import ModelNotFound
from unigurd_sdk.runtime.torch import load_model
from unigurd_trainer import gip
from unigurd_trainer.origins import find_origin
from unigurd_trainer.runs import Run

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_checkpoint_gives_its_weights_and_past(tiny_checkpoint):
    origin, checkpoint = find_origin(str(tiny_checkpoint)), Checkpoint.open(tiny_checkpoint)
    assert all(origin.weights[name].equal(value) for name, value in load_model(checkpoint).state_dict().items())
    assert origin.totals["examples"] == checkpoint.manifest.examples_seen
    assert origin.name.endswith(f"@{checkpoint.id}")


def test_a_run_gives_its_last_weights_its_totals_and_its_tokenizer(tiny_recipe, tiny_data, tmp_path):
    gip.run(tiny_recipe(steps=1), tiny_data, tmp_path)
    origin, run = find_origin(str(tmp_path)), Run.open(tmp_path)
    assert origin.totals == run.totals
    assert origin.tokenizer == run.result["tokenizer"]
    assert origin.head_file is None


def test_pretraining_goes_on_from_an_exported_run(tiny_recipe, tiny_data, tmp_path):
    from unigurd_trainer.export_stage import run as export

    gip.run(tiny_recipe(steps=1), tiny_data, tmp_path / "run")
    export(tmp_path / "run", tmp_path / "checkpoint", precision="fp32")
    start = find_origin(str(tmp_path / "checkpoint"))
    model = gip.prepare(tiny_recipe(steps=1), tiny_data, tmp_path / "next", start=start).model
    assert all(value.equal(start.weights[name]) for name, value in model.state_dict().items())
    result = gip.run(tiny_recipe(steps=1), tiny_data, tmp_path / "next", start=start)
    assert result["started_from"] == start.sha256
    assert result["totals"]["examples"] > start.totals["examples"] > 0
    assert json.loads((tmp_path / "next" / "result.json").read_text()) == result


def test_an_unknown_name_says_where_it_looked(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelNotFound):
        find_origin("nowhere")
