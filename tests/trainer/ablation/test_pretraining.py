"""The table of pretraining runs is read from what runs leave behind."""

import json

import pytest

from unigurd_trainer.ablation.pretraining import SETS, read_runs, table, write


def leave(folder, recipe, auc):
    folder.mkdir(parents=True)
    (folder / "recipe.json").write_text(recipe.model_dump_json())
    counted = {"examples": 1000, "tokens": 9, "seconds": 20.0, "cpu_seconds": 10.0}
    (folder / "result.json").write_text(json.dumps({"progress": counted | {"scores": {f"{s}/auc": auc for s in SETS}}}))


def test_runs_of_one_name_are_one_line_with_an_interval(tiny_recipe, tmp_path):
    for name, auc in (("plain-seed1", 0.8), ("plain-seed2", 0.9), ("mlm-seed1", 0.7)):
        leave(tmp_path / "runs" / name, tiny_recipe(), auc)
    (tmp_path / "runs" / "mlm-seed2").mkdir()  # not finished
    rows = write(tmp_path / "runs", tmp_path / "table")
    assert [(row["name"], row["seed"]) for row in rows] == [("mlm", 1), ("plain", 1), ("plain", 2)]
    assert rows == read_runs(tmp_path / "runs") == json.loads((tmp_path / "table.json").read_text())
    text = table(rows, ["plain", "mlm"])
    assert text.splitlines()[2].startswith("| plain | 2 | 1000 | 100 | 0.850 ± ")
    assert text.splitlines()[3].startswith("| mlm | 1 | 1000 | 100 | 0.700 |")


def test_runs_by_number_of_policies_are_drawn_in_the_order_of_their_numbers(tiny_recipe, tmp_path):
    pytest.importorskip("matplotlib")
    for name, auc in (("policies-all", 0.9), ("policies-1000", 0.85), ("policies-50", 0.7), ("plain", 0.8)):
        leave(tmp_path / "runs" / f"{name}-seed1", tiny_recipe(), auc)
    write(tmp_path / "runs", tmp_path / "table")
    drawn = (tmp_path / "table.svg").read_text()
    places = [drawn.index(f">{label}<") for label in ("50", "1000", "all")]
    assert places == sorted(places)
    assert (tmp_path / "table.png").stat().st_size > 1000
