"""`unigurd-train`: exit codes, one-line errors, and a run that survives being killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from unigurd_trainer import cli  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def command(monkeypatch, capsys):
    """Run `unigurd-train ...`: (exit code, stdout, stderr)."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["unigurd-train", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code or 0, *capsys.readouterr()

    return call


@pytest.fixture
def recipe_file(tiny_base, tmp_path):
    """Write a recipe as TOML."""

    def write(name="recipe.toml", **top):
        top = {"name": "tiny", "steps": 3, "episodes": 2, "validation_rows": 32} | top
        sections: dict[str, dict[str, object]] = {
            "model": {"base": str(tiny_base), "head_size": 24, "policy_blocks": 1, "decision_blocks": 1},
            "data": {"texts": 8, "max_text": 32, "max_line": 16},
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in top.items()]
        for section, values in sections.items():
            lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
        path = tmp_path / name
        path.write_text("\n".join(lines))
        return path

    return write


def test_a_run_ends_with_exit_code_zero_and_its_result(command, recipe_file, tiny_data, tmp_path, one_thread):
    out = tmp_path / "out"
    code, _, err = command("gip", recipe_file(), "--data", tiny_data, "--out", out, "--threads", 1)
    assert code == 0, err
    assert "recipe_hash" in err
    assert json.loads((out / "result.json").read_text())["progress"]["step"] == 3


def test_the_data_folder_may_come_from_the_environment(
    command, recipe_file, tiny_data, tmp_path, monkeypatch, one_thread
):
    monkeypatch.setenv("UNIGURD_DATA", str(tiny_data))
    assert command("gip", recipe_file(steps=1), "--out", tmp_path / "out")[0] == 0


def test_a_run_can_be_watched_in_tensorboard(command, recipe_file, tiny_data, tmp_path, one_thread):
    pytest.importorskip("tensorboard")
    out = tmp_path / "out"
    assert command("gip", recipe_file(steps=1), "--data", tiny_data, "--out", out, "--tensorboard")[0] == 0
    assert list((out / "tensorboard").glob("events.*"))


def test_a_missing_data_folder_is_one_line_that_names_it(command, recipe_file, tmp_path):
    missing = tmp_path / "a folder with a rather long name" / "[old]" / "that does not exist"
    code, out, err = command("gip", recipe_file(), "--data", missing, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    (line,) = [line for line in err.splitlines() if line.startswith("error:")]
    assert str(missing) in line
    assert "Traceback" not in err


def test_a_bad_recipe_is_one_line_that_names_file_and_field(command, recipe_file, tiny_data, tmp_path):
    path = recipe_file(colour="[/red]")
    code, _, err = command("gip", path, "--data", tiny_data, "--out", tmp_path / "out")
    assert code == 2
    assert f"error: {path}: colour" in err
    assert not (tmp_path / "out").exists()


def test_another_recipe_in_the_same_folder_is_refused(command, recipe_file, tiny_data, tmp_path, one_thread):
    arguments = ("--data", tiny_data, "--out", tmp_path / "out", "--threads", 1)
    assert command("gip", recipe_file(steps=1), *arguments)[0] == 0
    code, _, err = command("gip", recipe_file(steps=1, episodes=3), *arguments)
    assert code == 2
    assert "another output folder" in err


@pytest.mark.parametrize("arguments", [["gip"], ["nothing"], ["gip", "--colour"]])
def test_wrong_usage_is_exit_code_two(command, arguments, monkeypatch):
    monkeypatch.delenv("UNIGURD_DATA", raising=False)
    assert command(*arguments)[0] == 2


def test_help_names_the_command_and_its_settings(command):
    code, out, _ = command("gip", "--help")
    assert code == 0
    assert all(word in out for word in ("--data", "--out", "--threads", "UNIGURD_DATA"))


def wait_for_step(state, step, process):
    """Wait until a saved state has this step; the process must still be running."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if json.loads((state / "progress.json").read_text())["step"] >= step:
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.002)
    pytest.fail(f"no state with step {step}; the process ended with {process.poll()}")


def test_a_killed_run_resumes_to_the_same_weights_bit_by_bit(command, recipe_file, tiny_data, tmp_path, one_thread):
    recipe = recipe_file(steps=80, checkpoint_seconds=0.001, validate_every=25)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    arguments = ("gip", recipe, "--data", tiny_data, "--threads", 1, "--out")
    program = [sys.executable, "-c", "from unigurd_trainer.cli import main; main()", *map(str, arguments), str(killed)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'trainer'}"}
    with subprocess.Popen(program, env=environment, stderr=subprocess.DEVNULL) as process:
        wait_for_step(killed / "state", 5, process)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert not (killed / "result.json").exists()

    for out in (killed, whole):
        code, _, err = command(*arguments, out)
        assert code == 0, err
    results = [json.loads((out / "result.json").read_text())["progress"] for out in (killed, whole)]
    assert [result["runs"] for result in results] == [2, 1]
    assert results[0]["scores"] == results[1]["scores"]
    for name in ("state/model.safetensors", "state/optimizer.safetensors", "best.safetensors"):
        one, two = (load_file(out / name) for out in (killed, whole))
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)
