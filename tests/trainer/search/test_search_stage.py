"""The search as a stage: what it leaves behind, that it resumes, and what it refuses before it searches."""

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from unigurd_sdk import Guard, Policy  # noqa: E402
from unigurd_trainer.errors import RecipeError  # noqa: E402
from unigurd_trainer.merge import apply  # noqa: E402
from unigurd_trainer.merge.recipe import MergeRecipe  # noqa: E402
from unigurd_trainer.recipe import read_recipe  # noqa: E402
from unigurd_trainer.runs import Run  # noqa: E402
from unigurd_trainer.search.journal import read_journal  # noqa: E402
from unigurd_trainer.search.stage import run  # noqa: E402

SECONDS = ("merge_seconds", "evaluation_seconds")


def without_seconds(file):
    return [{key: value for key, value in record.items() if key not in SECONDS} for record in read_journal(file)]


def test_a_search_leaves_a_run_that_its_own_recipe_gives_again(make_search, tiny_data, tmp_path, one_thread):
    out, seen = tmp_path / "out", []
    result = run(make_search(), tiny_data, out, observe=seen.append)
    assert [trial.number for trial in seen] == [1, 2, 3, 4, 5, 6]
    assert json.loads((out / "result.json").read_text()) == json.loads(json.dumps(result))
    assert Run.open(out / "merged").result["merged"]["sha256"] == result["merged"]["sha256"]
    recipe = read_recipe(out / "best.toml", MergeRecipe)
    assert recipe.expect == result["merged"]["sha256"]
    assert all(candidate.sha256 and candidate.f1 is not None for candidate in recipe.candidates)
    assert apply.run(recipe, tmp_path / "again")["file_sha256"] == result["merged"]["file_sha256"]
