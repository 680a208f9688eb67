"""Merging by a recipe: what is written, that it is the same bit for bit, and what is refused before anything is."""

import json
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from safetensors.torch import load_file  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from unigurd_sdk import Guard, Policy  # noqa: E402
from unigurd_sdk.checkpoint import Checkpoint, sha256_of  # noqa: E402
from unigurd_trainer.cli import app  # noqa: E402
from unigurd_trainer.errors import RecipeError, TrainerError  # noqa: E402
from unigurd_trainer.merge.apply import run  # noqa: E402
from unigurd_trainer.merge.methods import average, task_arithmetic, ties  # noqa: E402
from unigurd_trainer.merge.recipe import MergeRecipe  # noqa: E402
from unigurd_trainer.merge.sources import find_source  # noqa: E402
from unigurd_trainer.runs import Run  # noqa: E402
from unigurd_trainer.starts import find_start  # noqa: E402


def recipe(*folders, weights=None, f1s=None, bases=(), **values):
    candidates = []
    for number, folder in enumerate(folders):
        candidate = {"path": str(folder)}
        candidate |= {"weight": weights[number]} if weights else {}
        candidate |= {"f1": f1s[number]} if f1s else {}
        candidate |= {"base": str(bases[number])} if bases and bases[number] else {}
        candidates.append(candidate)
    return MergeRecipe.model_validate({"name": "merged", "method": "average", "candidates": candidates} | values)


def tensors(folder):
    return dict(find_source(str(folder)).model)


def same(model, other):
    return model.keys() == other.keys() and all(torch.equal(model[name], other[name]) for name in other)


def test_runs_give_a_run_that_later_stages_take(make_run, tmp_path):
    one, two = make_run(1), make_run(2)
    result = run(recipe(one, two, weights=[3, 1]), tmp_path / "out")
    merged = Run.open(tmp_path / "out")
    assert same(load_file(merged.latest), average([tensors(one), tensors(two)], [3, 1]))
    assert merged.totals["examples"] == 300
    assert merged.result["progress"]["scores"] == {}
    assert merged.result["merged"]["candidates"] == [
        {"name": str(folder), "weight": weight, "sha256": sha256_of(folder / "best.safetensors")}
        for folder, weight in ((one, 0.75), (two, 0.25))
    ]
    assert result["file_sha256"] == sha256_of(tmp_path / "out" / "best.safetensors")
    start = find_start(str(tmp_path / "out"))
    assert same(start.model.state_dict(), load_file(merged.latest))
    assert start.manifest.examples_seen == 300


def test_checkpoints_give_a_checkpoint_that_opens(make_guard, tiny_base, tmp_path):
    one, two = make_guard(1), make_guard(2)
    options: dict[str, Any] = {"density": 0.5, "scale": 0.8}
    values = {"method": "ties", "options": options, "base": f"base:{tiny_base}", "precision": "fp32", "chain": True}
    run(recipe(one, two, weights=[0.6, 0.4], **values), tmp_path / "out")
    base = tensors(f"base:{tiny_base}")
    assert same(tensors(tmp_path / "out"), ties([tensors(one), tensors(two)], [0.6, 0.4], base, **options))
    manifest = Checkpoint.open(tmp_path / "out").manifest
    assert (manifest.name, manifest.temperature, manifest.thresholds, manifest.scores) == ("merged", 1.5, {}, {})
    assert manifest.sources == ("source-1: MIT", "source-2: MIT")
    assert manifest.examples_seen == 200
    notes = json.loads((tmp_path / "out" / "result.json").read_text())["merged"]
    assert notes["recipe"]["options"] == options
    assert notes["bases"] == {f"base:{tiny_base}": sha256_of(tiny_base / "model.safetensors")}
    with Guard.from_pretrained(tmp_path / "out") as guard:
        assert 0 < guard.check("lamp", policy=Policy(name="p", description="No lamps.")).score < 1


@pytest.mark.parametrize("method", ["average", "slerp", "task_arithmetic", "ties", "dare"])
def test_the_same_recipe_gives_the_same_bits(make_run, tiny_base, tmp_path, method):
    merge = recipe(make_run(1), make_run(2), method=method, base=f"base:{tiny_base}")
    first, again = (run(merge, tmp_path / name) for name in ("a", "b"))
    assert first == again
    files = [(tmp_path / name / "best.safetensors") for name in ("a", "b")]
    assert [sha256_of(file) for file in files] == [first["file_sha256"]] * 2
    expecting = run(merge.model_copy(update={"expect": first["sha256"]}), tmp_path / "a")
    assert (expecting["sha256"], expecting["file_sha256"]) == (first["sha256"], first["file_sha256"])


def test_a_run_and_a_checkpoint_give_the_same_checkpoint_twice(make_run, make_guard, tmp_path):
    folder, guard = make_run(3, model={"policy_blocks": 2, "decision_blocks": 2}), make_guard(1, int8=True)
    merge = recipe(folder, guard)
    assert run(merge, tmp_path / "a") == run(merge, tmp_path / "b")
    files = [[sha256_of(path) for path in sorted((tmp_path / name).iterdir())] for name in ("a", "b")]
    assert files[0] == files[1]
    assert Checkpoint.open(tmp_path / "a").manifest.examples_seen == 400


def test_weights_follow_from_f1_and_the_rest_is_the_best_models(make_run, tmp_path):
    folders = [make_run(seed) for seed in (1, 2, 3)]
    result = run(recipe(*folders, f1s=[0.85, 0.9, 0.8], merge_type="attention"), tmp_path / "out")
    assert [each["weight"] for each in result["candidates"]] == pytest.approx([0.33333333, 0.35294118, 0.31372549])
    merged, best = tensors(tmp_path / "out"), tensors(folders[1])
    assert torch.equal(merged["head.scale"], best["head.scale"])
    assert not torch.equal(
        merged["bert.encoder.layer.0.attention.self.key.bias"], best["bert.encoder.layer.0.attention.self.key.bias"]
    )


def test_a_multi_task_guard_has_its_own_base_which_is_the_anchor(make_run, tiny_base, tmp_path):
    task, multi, gip = make_run(1), make_run(2), make_run(3, name="gip")
    merge = recipe(
        task, multi, method="task_arithmetic", base=f"base:{tiny_base}", bases=(None, gip), merge_type="no_classifier"
    )
    run(merge, tmp_path / "out")
    plm = tensors(f"base:{tiny_base}")
    models = [{name: model[name] for name in plm} for model in (tensors(task), tensors(multi))]
    own = {name: tensors(gip)[name] for name in plm}
    expected = task_arithmetic(models, [1, 1], [plm, own], anchor=own)
    merged = tensors(tmp_path / "out")
    assert all(torch.equal(merged[name], expected[name]) for name in plm)
    shared = merge.model_copy(update={"anchor": f"base:{tiny_base}"})
    run(shared, tmp_path / "shared")
    assert not torch.equal(
        tensors(tmp_path / "shared")["bert.embeddings.LayerNorm.bias"], expected["bert.embeddings.LayerNorm.bias"]
    )


def test_an_input_or_outcome_that_is_not_the_recipes_leaves_nothing(make_run, tmp_path):
    folders = [make_run(seed) for seed in (1, 2)]
    wrong = "0" * 64
    with pytest.raises(TrainerError, match=f"the recipe expects {wrong}. Nothing was written"):
        run(recipe(*folders, expect=wrong), tmp_path / "out")
    changed = recipe(*folders)
    candidates = tuple(each.model_copy(update={"sha256": wrong}) for each in changed.candidates)
    with pytest.raises(TrainerError, match=f"and the recipe says {wrong}"):
        run(changed.model_copy(update={"candidates": candidates}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bad_recipes_are_refused(make_run, tmp_path):
    one, two = make_run(1), make_run(2)
    with pytest.raises(RecipeError, match="'ties' merges differences: name the `base`"):
        run(recipe(one, two, method="ties"), tmp_path / "out")
    with pytest.raises(RecipeError, match="options of 'ties' are wrong: colour"):
        run(recipe(one, two, method="ties", options={"colour": 1}, base=str(one)), tmp_path / "out")
    with pytest.raises(RecipeError, match="several bases .*name the `anchor`"):
        run(recipe(one, two, method="ties", bases=(one, two)), tmp_path / "out")
    with pytest.raises(RecipeError, match="No merge method is named 'soup'"):
        run(recipe(one, two, method="soup"), tmp_path / "out")
    with pytest.raises(TrainerError, match="different ids"):
        run(recipe(one, one), tmp_path / "out")
    for field in ("weight", "f1"):
        bad = [{"path": "a", field: 0.5}, {"path": "b"}]
        with pytest.raises(ValueError, match=f"give {field} for all candidates or for none"):
            MergeRecipe.model_validate({"name": "x", "method": "average", "candidates": bad})
    assert not (tmp_path / "out").exists()


TOML = """name = "merged"
method = "dare"
merge_type = "no_classifier"
base = "{base}"
[options]
drop = 0.25
seed = 3
[[candidates]]
path = "{one}"
weight = 0.7
[[candidates]]
path = "{two}"
weight = 0.3
"""


def test_the_command_merges_and_says_what_came_out(make_run, tiny_base, tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(TOML.format(base=f"base:{tiny_base}", one=make_run(1), two=make_run(2)), encoding="utf-8")
    outcome = CliRunner().invoke(app, ["merge", "apply", str(path), "--out", str(tmp_path / "out")])
    assert outcome.exit_code == 0, outcome.output
    assert sha256_of(tmp_path / "out" / "best.safetensors") in outcome.output
    assert "0.7000" in outcome.output
    path.write_text(path.read_text().replace("drop", "dorp"), encoding="utf-8")
    outcome = CliRunner().invoke(app, ["merge", "apply", str(path), "--out", str(tmp_path / "other")])
    assert isinstance(outcome.exception, RecipeError)
    assert "dorp" in str(outcome.exception)


def test_the_average_of_runs_is_written_as_before(make_run, tmp_path):
    one, two = make_run(1), make_run(2)
    arguments = [
        "merge",
        "average",
        str(one),
        str(two),
        "--weight",
        "3",
        "--weight",
        "1",
        "--out",
        str(tmp_path / "out"),
    ]
    outcome = CliRunner().invoke(app, [*arguments, "--chain"])
    assert outcome.exit_code == 0, outcome.output
    merged = Run.open(tmp_path / "out")
    assert same(load_file(merged.latest), average([tensors(one), tensors(two)], [3, 1]))
    assert merged.totals["examples"] == 200
    assert [each["weight"] for each in merged.result["averaged"]] == [3, 1]
