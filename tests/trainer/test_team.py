"""Training in two processes, and in parts: the same steps as in one piece; one process writes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from safetensors.torch import load_file  # noqa: E402

from unigurd_trainer import gip  # noqa: E402
from unigurd_trainer.batching import Collator  # noqa: E402
from unigurd_trainer.errors import RecipeError, TrainerError  # noqa: E402
from unigurd_trainer.feeding import Feed  # noqa: E402
from unigurd_trainer.loop import read_log, train  # noqa: E402
from unigurd_trainer.recipe import load_recipe  # noqa: E402
from unigurd_trainer.team import ALONE, Team, join  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

RECIPE = """
name = "team"
steps = {steps}
episodes = 4
validate_every = 20
validation_rows = 32

[model]
base = "{base}"
interaction = "lines"    # it leaves a layer of the head without a gradient
head_size = 24
policy_blocks = 1
decision_blocks = 1
dropout = 0.0

[data]
composed = 1.0
conditioned = 0.0
pool = 0.0
cross = 0.0
texts = 8
max_text = 32
max_line = 16

[optim]
precision = "fp32"
weight_decay = 0.5
head_lr = 5e-3
"""


SHIFTS = {"head.correction_out.bias", "head.policy_blocks.0.qkv.bias", "head.decision_blocks.0.qkv.bias"} | {
    f"bert.encoder.layer.{layer}.attention.self.key.bias" for layer in range(2)
}
"""Weights that shift what a softmax sees: their gradient is rounding, which Adam makes as large as any other."""


def start(rank, port, *arguments):
    """Start a process of two, as a launcher would."""
    places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port}
    env = os.environ | {key: str(value) for key, value in places.items()}
    env |= {"MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "unigurd_trainer", *map(str, arguments)]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def launch(*arguments):
    """Run the command in two processes; returns what each printed on stdout and stderr."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = [start(rank, port, *arguments) for rank in range(2)]
    done = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0, 0], done
    return done


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny_base, tiny_data):
    """The same recipe run alone and by two processes, both in two sittings; and what those printed in the last."""
    folder = tmp_path_factory.mktemp("runs")
    recipe = folder / "recipe.toml"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for steps in (20, 40):
        recipe.write_text(RECIPE.format(steps=steps, base=tiny_base))
        printed = launch("gip", recipe, "--data", tiny_data, "--out", folder / "team")
        gip.run(load_recipe(recipe), tiny_data, folder / "alone")
    torch.set_num_threads(threads)
    return folder, printed


def differing(one, other):
    assert one.keys() == other.keys()
    return {name for name in one if not torch.allclose(one[name], other[name], atol=1e-4)}


def records(folder):
    return list(read_log(folder / "log.jsonl"))


def test_two_processes_have_the_loss_curve_of_one(runs):
    folder, _ = runs
    one, two = ([r for r in records(folder / name) if "verdict_loss" in r] for name in ("alone", "team"))
    assert [r["step"] for r in two] == [20, 40]
    assert [r["examples"] for r in two] == [r["examples"] for r in one]
    for loss in ("verdict_loss", "line_loss"):
        assert max(r[loss] for r in one) > 0
        assert [r[loss] for r in two] == pytest.approx([r[loss] for r in one], abs=2e-4)


def test_two_processes_end_with_the_weights_of_one(runs):
    folder, _ = runs
    one, two = (load_file(folder / name / "state" / "model.safetensors") for name in ("alone", "team"))
    assert differing(one, two) <= SHIFTS
    fresh, _ = gip.build(load_recipe(folder / "recipe.toml"))
    unused, used = "head.text_in.weight", "head.match_in.weight"
    assert torch.equal(two[unused], fresh.state_dict()[unused])
    assert not torch.allclose(two[used], fresh.state_dict()[used], atol=1e-4)


def test_only_the_lead_writes_and_speaks(runs):
    folder, printed = runs
    assert [(r["step"], "score" in r) for r in records(folder / "team")] == [
        (20, False), (20, True), (40, False), (40, True),
    ]  # fmt: skip
    result = json.loads((folder / "team" / "result.json").read_text())
    assert (result["processes"], result["progress"]["step"], result["progress"]["runs"]) == (2, 40, 2)
    assert '"processes": 2' in "".join(printed[0])
    assert printed[1] == ("", "")


def test_two_processes_validate_as_one_does(runs):
    folder, _ = runs
    one, two = (json.loads((folder / name / "result.json").read_text())["progress"] for name in ("alone", "team"))
    assert two["best_step"] == one["best_step"]
    assert two["scores"] == pytest.approx(one["scores"], abs=0.02)


@pytest.mark.parametrize(("size", "parts"), [(2, 1), (1, 2), (2, 2), (3, 1)])
def test_every_episode_of_a_step_is_in_one_share(toy, tiny_tokenizer, size, parts):
    shares = []
    for rank in range(size):
        source = toy()
        batches = Feed(source, Collator(tiny_tokenizer), 5, parts=parts, team=Team(rank, size))[7]
        assert len(batches) == parts
        shares += source.asked
    assert sorted(shares) == [35, 36, 37, 38, 39]


def test_a_step_in_parts_is_the_same_step(make_setup, tmp_path):
    recipe = {"steps": 8, "episodes": 4, "model": {"dropout": 0.0}}
    whole, split = make_setup(tmp_path / "whole", **recipe), make_setup(tmp_path / "split", **recipe)
    split = replace(split, feed=replace(split.feed, parts=3))
    assert train(whole).examples == train(split).examples
    assert differing(whole.model.state_dict(), split.model.state_dict()) <= SHIFTS


def test_too_few_episodes_for_all_are_refused(toy, tiny_tokenizer):
    with pytest.raises(RecipeError, match="raise it to 4"):
        Feed(toy(), Collator(tiny_tokenizer), 3, parts=2, team=Team(1, 2))


def test_without_a_launcher_a_process_is_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert join(cpu=True) is ALONE
    assert ALONE.add([1.5, 2]) == [1.5, 2]


def test_processes_that_are_not_equally_far_do_not_go_on(monkeypatch):
    team = Team(1, 2)
    monkeypatch.setattr(Team, "from_lead", lambda self, value: 20)
    with pytest.raises(TrainerError, match="file system"):
        team.require_same_step(0)
