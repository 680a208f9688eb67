"""The grid of tasks trains every cell from its start on real rows, and measures on texts that did not train."""

import json

import pytest

pytest.importorskip("torch")

from typer.testing import CliRunner

from unigurd_trainer.cli import app


def test_the_command_fills_a_grid_and_draws_it(tiny_data, tiny_base, tmp_path):
    out = tmp_path / "tasks.jsonl"
    arguments = ["ablate", "tasks", "--data", str(tiny_data), "--out", str(out), "--policy", "hate"]
    arguments += ["--start", f"base=base:{tiny_base}", "--size", "0", "--size", "4", "--mode", "head", "--mode", "full"]
    arguments += ["--seeds", "1", "--epochs", "1"]
    outcome = CliRunner().invoke(app, arguments)
    assert outcome.exit_code == 0, outcome.output
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["cell"]["size"], row["cell"]["mode"]) for row in rows] == [(0, "none"), (4, "head"), (4, "full")]
    assert all(0 <= row["measured"]["auc"] <= 1 for row in rows)
    assert len({row["measured"]["rows"] for row in rows}) == 1
    assert "0 cells" in CliRunner().invoke(app, arguments).output


def test_a_start_without_a_name_is_refused(tiny_data, tmp_path):
    arguments = ["ablate", "tasks", "--data", str(tiny_data), "--out", str(tmp_path / "x"), "--policy", "hate"]
    outcome = CliRunner().invoke(app, [*arguments, "--start", "base", "--size", "4"])
    assert outcome.exit_code == 2
