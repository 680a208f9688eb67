"""The search as a stage: what it leaves behind, that it resumes after a kill, and what it refuses."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from typer.testing import CliRunner  # noqa: E402

from unigurd_sdk import Guard, Policy  # noqa: E402
from unigurd_sdk.checkpoint import Checkpoint  # noqa: E402
from unigurd_trainer.cli import app  # noqa: E402
from unigurd_trainer.errors import RecipeError, TrainerError  # noqa: E402
from unigurd_trainer.merge import apply  # noqa: E402
from unigurd_trainer.merge.recipe import MergeRecipe  # noqa: E402
from unigurd_trainer.recipe import read_recipe  # noqa: E402
from unigurd_trainer.runs import Run  # noqa: E402
from unigurd_trainer.search.journal import read_journal  # noqa: E402
from unigurd_trainer.search.stage import run  # noqa: E402
from unigurd_trainer.search.trial import Trial  # noqa: E402

SECONDS = ("merge_seconds", "evaluation_seconds")

KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from unigurd_trainer.search.recipe import SearchRecipe
from unigurd_trainer.search.stage import run
from unigurd_trainer.search.trial import Trial

torch.set_num_threads(1)
recipe, data, out, last = sys.argv[1:]

def observe(trial):
    if trial.number == int(last):
        os.kill(os.getpid(), signal.SIGKILL)

run(SearchRecipe.model_validate_json(recipe), Path(data), Path(out), observe=observe)
"""


def without_seconds(file):
    return [{key: value for key, value in record.items() if key not in SECONDS} for record in read_journal(file)]


def test_a_search_leaves_a_run_that_its_own_recipe_gives_again(make_search, tiny_data, tmp_path, one_thread):
    seen: list[Trial] = []
    out = tmp_path / "out"
    result = run(make_search(), tiny_data, out, observe=seen.append)
    assert [trial.number for trial in seen] == [1, 2, 3, 4, 5, 6]
    assert json.loads((out / "result.json").read_text()) == json.loads(json.dumps(result))
    assert Run.open(out / "merged").result["merged"]["sha256"] == result["merged"]["sha256"]
    recipe = read_recipe(out / "best.toml", MergeRecipe)
    assert recipe.expect == result["merged"]["sha256"]
    assert all(candidate.sha256 and candidate.f1 is not None for candidate in recipe.candidates)
    assert apply.run(recipe, tmp_path / "again")["file_sha256"] == result["merged"]["file_sha256"]
    assert set(result["references"]) == {
        "search", "single best", "iteration 1", "uniform soup", "greedy soup", "prediction ensemble",
    }  # fmt: skip
    for each in result["references"].values():
        assert each["gap"] == pytest.approx(each["search"]["f1"] - each["report"]["f1"])
    best = result["references"]["search"]
    assert best["search"]["f1"] >= result["references"]["single best"]["search"]["f1"]
    assert best["search"]["f1"] == pytest.approx(seen[-1].best)
    assert result["gap"] == best["gap"]


def test_a_search_that_is_killed_goes_on_as_if_it_had_not_been(make_search, tiny_data, tmp_path, one_thread):
    recipe = make_search(sampler="thompson", abort={"rows": 6, "margin": 0.0}, references=False)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    expected = run(recipe, tiny_data, whole)
    command = [sys.executable, "-c", KILLED, recipe.model_dump_json(), str(tiny_data), str(cut), "3"]
    assert subprocess.run(command, timeout=300, check=False).returncode == -signal.SIGKILL
    assert not (cut / "result.json").exists()
    assert [r["number"] for r in read_journal(cut / "journal.jsonl") if r["kind"] == "trial"] == [1, 2, 3]
    with (cut / "journal.jsonl").open("ab") as file:
        file.write(b'{"kind": "trial", "num')
    seen: list[Trial] = []
    result = run(recipe, tiny_data, cut, observe=seen.append)
    assert [trial.number for trial in seen] == [4, 5, 6]
    assert without_seconds(cut / "journal.jsonl") == without_seconds(whole / "journal.jsonl")
    assert result["merged"]["sha256"] == expected["merged"]["sha256"]


def test_several_workers_find_the_same_whatever_their_timing(make_search, tiny_data, tmp_path):
    recipe = make_search(workers=2, trials=5, sampler="ucb", references=False)
    for name in ("a", "b"):
        run(recipe, tiny_data, tmp_path / name, threads=2)
    assert without_seconds(tmp_path / "a" / "journal.jsonl") == without_seconds(tmp_path / "b" / "journal.jsonl")
    with pytest.raises(RecipeError, match="another search; they differ in recipe"):
        run(make_search(trials=5, sampler="ucb"), tiny_data, tmp_path / "a")


def test_more_trials_go_on_and_other_weights_are_refused(make_search, tiny_data, tmp_path, one_thread):
    out, recipe = tmp_path / "out", make_search(trials=2, references=False)
    run(recipe, tiny_data, out)
    result = run(recipe.model_copy(update={"trials": 3}), tiny_data, out)
    assert result["trials"] == 3
    file = Path(recipe.candidates[0].path) / "best.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(RecipeError, match="another search; they differ in weights"):
        run(recipe, tiny_data, out)


def test_if_nothing_is_better_the_best_candidate_comes_out(make_search, tiny_data, tmp_path, one_thread):
    recipe = make_search(candidates=[make_search().candidates[0].model_dump()] * 2, trials=1)
    with pytest.raises(TrainerError, match="different ids"):
        run(recipe, tiny_data, tmp_path / "twins")
    first, second, _ = make_search().candidates
    recipe = make_search(candidates=[first, second], trials=1, method=["average"], options={}, merge_types=["all"])
    result = run(recipe, tiny_data, tmp_path / "out")
    single, found = (result["references"][name]["search"]["f1"] for name in ("single best", "search"))
    assert result["fallback"] == (found == single)
    if result["fallback"]:
        assert sorted(result["best"]["point"]["weights"]) == [0.0, 1.0]


def test_only_the_best_candidates_take_part(make_search, tiny_data, tmp_path, one_thread):
    pairs = zip(make_search().candidates, (0.6, 0.5, 0.9), strict=True)
    given = [candidate.model_copy(update={"f1": f1}) for candidate, f1 in pairs]
    result = run(make_search(candidates=given, most=2, trials=1), tiny_data, tmp_path / "out")
    assert result["kept"] == [given[0].path, given[2].path]
    assert len(result["candidates"]) == 3
    iteration = result["references"]["iteration 1"]["point"]
    assert iteration["weights"] == [0.4, 0.6]
    assert iteration["choices"]["merge_type"] == "no_classifier"


def test_thresholds_are_chosen_where_the_search_does_not_look(make_search, tiny_data, tmp_path, one_thread):
    for rule in ("shared", "own"):
        run(make_search(threshold=rule, trials=2, references=False), tiny_data, tmp_path / rule)
        trials = [r for r in read_journal(tmp_path / rule / "journal.jsonl") if r["kind"] == "trial"]
        assert all(len(trial["thresholds"]) == len(trial["policies"]) for trial in trials)
        assert all(threshold != 0.0 for trial in trials for threshold in trial["thresholds"])


def test_a_users_guard_and_ours_in_one_command(make_guard, tmp_path):
    file = tmp_path / "mine.jsonl"
    words = ("lamp", "door", "oven", "sofa", "window")
    lines = [{"text": f"{w} {n}", "label": n % 2, "split": "dev" if n < 190 else ""} for n in range(200) for w in words]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "mine.yaml").write_text("name: mine\ndescription: No odd numbers.\n")
    out = tmp_path / "out"
    options = {
        "--candidate": make_guard(1), "--policy": tmp_path / "mine.yaml", "--data-file": file, "--out": out,
        "--trials": 2, "--sampler": "random", "--threads": 1,
    }  # fmt: skip
    arguments = [str(part) for option in options.items() for part in option]
    result = CliRunner().invoke(app, ["merge-search", *arguments, "--candidate", str(make_guard(2))])
    assert result.exit_code == 0, result.output
    assert "optimism gap" in result.output
    with Guard.from_pretrained(out / "merged") as guard:
        assert 0 < guard.check("lamp", policy=Policy(name="p", description="No lamps.")).score < 1
    found = json.loads((out / "result.json").read_text())
    assert found["rows"]["search"].keys() == {"mine"}
    decision, manifest = found["merged"]["decision"], Checkpoint.open(out / "merged").manifest
    assert decision["policy"] == "mine"
    assert manifest.thresholds == ({"mine": decision["threshold"]} if decision["fitted"] else {})
    assert manifest.temperature == decision["temperature"] != 1.5


def test_bad_recipes_are_refused_before_anything_is_measured(make_search, tiny_data, tmp_path):
    for changes, problem in (
        ({"base": None}, "name the `base` the candidates started from"),
        ({"options": {"ties": {"density": [0.2, 7.0]}}}, "options of 'ties' are wrong: density"),
        ({"method": ["soup"], "options": {}}, "No merge method is named 'soup'"),
        ({"objective": "nothing"}, "The objective 'nothing' is no policy"),
        ({"sampler": "thomson"}, "No sampler is named 'thomson'"),
    ):
        with pytest.raises(RecipeError, match=problem):
            run(make_search(**changes), tiny_data, tmp_path / "out")
    with pytest.raises(ValueError, match="options of dare, which `method` does not list"):
        make_search(options={"dare": {}})
    with pytest.raises(ValueError, match="no values to search for ties.density"):
        make_search(options={"ties": {"density": []}})
    with pytest.raises(ValueError, match="give f1 for all candidates or for none"):
        make_search(candidates=[{"path": "a", "f1": 0.5}, {"path": "b"}])
    assert not (tmp_path / "out").exists()
