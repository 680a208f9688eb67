"""Stage GIP with every term of the loss, on a data folder: what it leaves is a run like any other."""

from __future__ import annotations

import json
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from unigurd_trainer import gip  # noqa: E402
from unigurd_trainer.checkpointing import HEAD_FILE  # noqa: E402
from unigurd_trainer.errors import RecipeError  # noqa: E402
from unigurd_trainer.origins import find_origin  # noqa: E402
from unigurd_trainer.runs import Run  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

LOSS = {"mlm": 0.1, "alice": 1.0}


def test_a_run_with_every_term(tiny_recipe, tiny_data, tmp_path):
    seen: list[dict[str, Any]] = []
    recipe = tiny_recipe(steps=20, loss=LOSS)
    gip.run(recipe, tiny_data, tmp_path / "out", seen.append)
    run = Run.open(tmp_path / "out")
    assert run.recipe == recipe
    (step,) = [record for record in seen if "mlm_loss" in record]
    assert all(record.keys() >= {"step"} for record in seen)
    assert 0 < step["alice_virtual"] < step["alice_label"] < 5
    assert step["alice_skipped"] == 0
    model, _ = gip.build(recipe, run.latest)
    assert load_file(run.weights("best")).keys() == model.state_dict().keys()


def test_a_run_that_starts_from_another_goes_on_with_its_head(tiny_recipe, tiny_data, tmp_path):
    recipe = tiny_recipe(steps=2, loss={"mlm": 0.1})
    gip.run(recipe, tiny_data, tmp_path / "out")
    first = find_origin(str(tmp_path / "out"))
    trained = load_file(tmp_path / "out" / "state" / HEAD_FILE)
    setup = gip.prepare(recipe, tiny_data, tmp_path / "next", start=first)
    assert setup.head is not None
    assert all(torch.equal(value, trained[name]) for name, value in setup.head.state_dict().items())
    plain = tiny_recipe(loss={"mlm": 0.1, "masking": {"transform": False}})
    fresh = gip.prepare(plain, tiny_data, tmp_path / "next", start=first).head
    assert fresh is not None
    assert not fresh.bias.any()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"loss": {"alice": 1.0, "perturbation": {"layers": [2]}}}, "the encoder has 0 to 1"),
        ({"loss": {"mlm": 1.0}, "data": {"max_text": 60}}, "no room for a rationale"),
    ],
)
def test_a_loss_that_the_model_cannot_have_is_refused_before_anything_is_written(
    tiny_recipe, tiny_data, tmp_path, changes, reason
):
    with pytest.raises(RecipeError, match=reason):
        gip.run(tiny_recipe(**changes), tiny_data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_recipe_with_a_list_of_layers_is_written_and_read_back(tiny_recipe, tiny_data, tmp_path):
    recipe = tiny_recipe(steps=1, loss={"alice": 1.0, "perturbation": {"layers": [0, 1]}})
    gip.run(recipe, tiny_data, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "recipe.json").read_text())["loss"]["perturbation"]["layers"] == [0, 1]
    assert Run.open(tmp_path / "out").recipe.resume_key == recipe.resume_key
