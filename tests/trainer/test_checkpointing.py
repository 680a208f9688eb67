"""Training state on disk: everything comes back, whenever saving was cut off, and never into another recipe."""

from __future__ import annotations

import json
import os
import shutil

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from unigurd_trainer import checkpointing  # noqa: E402
from unigurd_trainer.checkpointing import Progress, load_state, save_state  # noqa: E402
from unigurd_trainer.errors import RecipeError  # noqa: E402


def build(seed=0, steps=2):
    """A model and its optimiser after some steps; any module has what a state needs."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 1))
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
        for _ in range(steps):
            optimizer.zero_grad()
            model(torch.randn(5, 4)).square().mean().backward()
            optimizer.step()
    return model, optimizer


def save(folder, progress):
    model, optimizer = build()
    save_state(folder, model, optimizer, progress)


def same(one, two):
    return all(torch.equal(one[key], two[key]) for key in one) and one.keys() == two.keys()


def moments(optimizer):
    entries = optimizer.state_dict()["state"]
    return {f"{index}.{key}": value for index, entry in entries.items() for key, value in entry.items()}


def test_weights_moments_random_state_and_counters_come_back(tmp_path):
    model, optimizer = build()
    progress = Progress(step=7, examples=70, best=0.75, scores={"a/auc": 0.5}, recipe="r")
    save_state(tmp_path, model, optimizer, progress)
    drawn = torch.rand(3)
    other, its_optimizer = build(seed=1, steps=0)
    assert load_state(tmp_path, other, its_optimizer, "r") == progress
    assert same(model.state_dict(), other.state_dict())
    assert same(moments(optimizer), moments(its_optimizer))
    assert torch.equal(torch.rand(3), drawn)


def test_a_new_folder_starts_from_nothing(tmp_path):
    model, optimizer = build()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert load_state(tmp_path / "nowhere", model, optimizer, "r") == Progress(recipe="r")
    assert same(before, model.state_dict())


def test_a_state_of_another_recipe_is_refused_before_anything_is_loaded(tmp_path):
    save(tmp_path, Progress(recipe="one"))
    other, its_optimizer = build(seed=1)
    before = {key: value.clone() for key, value in other.state_dict().items()}
    with pytest.raises(RecipeError, match="another output folder"):
        load_state(tmp_path, other, its_optimizer, "two")
    assert same(before, other.state_dict())


def test_there_is_no_pickle(tmp_path):
    save(tmp_path, Progress())
    names = {path.name for path in (tmp_path / "state").iterdir()}
    assert names == {"model.safetensors", "optimizer.safetensors", "progress.json"}
    assert json.loads((tmp_path / "state" / "progress.json").read_text())["step"] == 0


@pytest.fixture
def cut_off(monkeypatch):
    """Let the n-th of the calls that change the disk be the last one, as a kill would."""

    def arm(number):
        calls = 0

        def wrap(original):
            def call(*args, **kwargs):
                nonlocal calls
                calls += 1
                if calls == number:
                    raise KeyboardInterrupt
                return original(*args, **kwargs)

            return call

        monkeypatch.setattr(checkpointing, "save_file", wrap(save_file))
        monkeypatch.setattr(os, "replace", wrap(os.replace))
        monkeypatch.setattr(shutil, "rmtree", wrap(shutil.rmtree))

    return arm


def interrupt(folder, step, number, cut_off, monkeypatch):
    """Save a state, cut off at this call; says whether it was."""
    cut_off(number)
    try:
        save(folder, Progress(step=step, recipe="r"))
    except KeyboardInterrupt:
        return True
    finally:
        monkeypatch.undo()
    return False


@pytest.mark.parametrize("first", range(1, 8))
@pytest.mark.parametrize("second", range(1, 8))
def test_whenever_saving_is_cut_off_twice_a_whole_state_remains(tmp_path, cut_off, monkeypatch, first, second):
    for step in (1, 2):
        save(tmp_path, Progress(step=step, recipe="r"))
    interrupt(tmp_path, 3, first, cut_off, monkeypatch)
    interrupt(tmp_path, 4, second, cut_off, monkeypatch)
    model, optimizer = build(seed=1, steps=0)
    assert load_state(tmp_path, model, optimizer, "r").step >= 2
    assert same(model.state_dict(), build()[0].state_dict())
    save_state(tmp_path, model, optimizer, Progress(step=5, recipe="r"))
    assert load_state(tmp_path, model, optimizer, "r").step == 5


def test_the_cut_offs_reach_to_the_end_of_saving(tmp_path, cut_off, monkeypatch):
    save(tmp_path, Progress(recipe="r"))
    reached = [interrupt(tmp_path, 1, number, cut_off, monkeypatch) for number in range(1, 8)]
    assert reached[:5] == [True] * 5
    assert reached[-1] is False
