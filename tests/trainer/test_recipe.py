"""Recipes: typed, strict, hashed by their values, and wrong ones say which file and field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unigurd_sdk.errors import UnigurdError
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.recipe import DataRecipe, GipRecipe, OptimRecipe, load_recipe, read_recipe

COMMITTED = sorted((Path(__file__).resolve().parents[2] / "trainer" / "recipes").rglob("*.toml"))


@pytest.fixture
def put(tmp_path):
    def write(content):
        path = tmp_path / "my.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_recipe_is_read_with_its_defaults(put):
    recipe = load_recipe(put('name = "a"\nsteps = 10\n[optim]\nhead_lr = 0.01\n'))
    assert (recipe.name, recipe.steps, recipe.optim.head_lr) == ("a", 10, 0.01)
    assert recipe == GipRecipe(name="a", steps=10, optim=OptimRecipe(head_lr=0.01))


def test_changes_replace_what_the_file_says(put):
    assert load_recipe(put('name = "a"\nsteps = 10\n'), steps=3, seed=2) == GipRecipe(name="a", steps=3, seed=2)


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ('name = "a"', "steps"),
        ('name = "a"\nsteps = 0', "steps"),
        ('name = "a"\nsteps = "many"', "steps"),
        ('name = "a"\nsteps = 10\ncolour = 1', "colour"),
        ('name = "a"\nsteps = 10\n[optim]\nhead_rl = 0.1', "optim.head_rl"),
        ('name = "a"\nsteps = 10\n[optim]\nprecision = "fp16"', "optim.precision"),
        ('name = "a"\nsteps = 10\n[model]\ninteraction = "cross"', "model.interaction"),
        ('name = "a"\nsteps = 10\n[model]\ndropout = 1.0', "model.dropout"),
        ('name = "a"\nsteps = 10\n[data]\npool = -0.1', "data.pool"),
        ('name = "a"\nsteps = 10\nsteps = 11\n', "line 3"),
        ('name = "a"\nsteps = ', "end of document"),
        (b'name = "\xff"', "utf-8"),
    ],
)
def test_a_bad_recipe_names_the_file_and_the_field(put, content, field):
    path = put(content)
    with pytest.raises(RecipeError, match=f"{re.escape(str(path))}.*{re.escape(field)}"):
        load_recipe(path)


def test_all_problems_are_told_at_once(put):
    with pytest.raises(RecipeError, match=r"steps.*colour"):
        load_recipe(put('name = "a"\ncolour = 1'))


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(RecipeError, match=re.escape(str(tmp_path / name))):
        load_recipe(tmp_path / name)


def test_its_error_is_one_of_ours_and_a_value_error():
    assert issubclass(RecipeError, UnigurdError)
    assert issubclass(RecipeError, ValueError)


def test_the_fingerprint_is_of_values_not_of_their_order(put):
    one = load_recipe(put('name = "a"\nsteps = 10\n[optim]\nhead_lr = 0.01\nclip = 2.0\n'))
    two = load_recipe(put('steps = 10\nname = "a"\n[optim]\nclip = 2.0\nhead_lr = 0.01\n'))
    spelled = load_recipe(put('name = "a"\nsteps = 10\nseed = 0\n[optim]\nclip = 2\nhead_lr = 1e-2\n'))
    assert one.fingerprint == two.fingerprint == spelled.fingerprint
    assert re.fullmatch("[0-9a-f]{16}", one.fingerprint)


@pytest.mark.parametrize("change", [{"steps": 11}, {"seed": 1}, {"optim": {"clip": 2.0}}, {"data": {"pool": 0.1}}])
def test_the_fingerprint_changes_with_any_value(change):
    base = {"name": "a", "steps": 10}
    one, two = (GipRecipe.model_validate(values) for values in (base, base | change))
    assert one.fingerprint != two.fingerprint


@pytest.mark.parametrize("change", [{"steps": 11}, {"patience": 3}, {"validate_every": 7}, {"checkpoint_seconds": 1.0}])
def test_a_run_may_be_resumed_with_another_length(change):
    base = {"name": "a", "steps": 10}
    one, two = (GipRecipe.model_validate(values) for values in (base, base | change))
    assert one.resume_key == two.resume_key


@pytest.mark.parametrize("change", [{"seed": 1}, {"episodes": 2}, {"optim": {"clip": 2.0}}, {"data": {"pool": 0.1}}])
def test_a_run_may_not_be_resumed_with_other_training(change):
    base = {"name": "a", "steps": 10}
    one, two = (GipRecipe.model_validate(values) for values in (base, base | change))
    assert one.resume_key != two.resume_key


def test_a_recipe_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        GipRecipe(name="a", steps=1).steps = 2


def test_shares_leave_out_what_is_zero():
    recipe = GipRecipe(name="a", steps=1, data=DataRecipe(composed=1, conditioned=0, pool=0.5, cross=0))
    assert recipe.data.shares == {"composed": 1.0, "pool": 0.5}


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_recipes_are_valid(path):
    from unigurd_trainer.merge.recipe import MergeRecipe
    from unigurd_trainer.search.recipe import SearchRecipe

    kinds: dict[str, type[MergeRecipe | SearchRecipe]] = {"merge": MergeRecipe, "search": SearchRecipe}
    kind = kinds.get(path.parent.name)
    assert (load_recipe(path) if kind is None else read_recipe(path, kind)).name


def test_settings_that_came_later_change_no_hash_until_they_are_set(put):
    plain, same, other = (
        load_recipe(put(f'name = "a"\nsteps = 1\n[data]\n{line}\n'))
        for line in ("", "documents = 0.0", "documents = 0.2")
    )
    assert plain.fingerprint == same.fingerprint != other.fingerprint
