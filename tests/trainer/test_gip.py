"""Stage GIP: a data folder and a recipe in; weights, a log and a result that says what was run out."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from unigurd_trainer import gip  # noqa: E402
from unigurd_trainer.errors import DataError, RecipeError  # noqa: E402
from unigurd_trainer.leakage import check_leakage  # noqa: E402
from unigurd_trainer.origins import Origin, find_origin  # noqa: E402
from unigurd_trainer.runs import Run  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def finished_run(tiny_recipe, tiny_data, tmp_path_factory):
    """A run that is done: its recipe, folder, result and log records."""
    out = tmp_path_factory.mktemp("run")
    seen: list[dict[str, object]] = []
    recipe = tiny_recipe(steps=20)
    return recipe, out, gip.run(recipe, tiny_data, out, seen.append), seen


def test_a_run_leaves_weights_log_recipe_and_result(finished_run):
    recipe, out, result, seen = finished_run
    assert json.loads((out / "recipe.json").read_text()) == recipe.model_dump(mode="json")
    assert json.loads((out / "result.json").read_text()) == result
    assert [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()] == seen
    assert result["recipe_hash"] == recipe.fingerprint
    assert result["progress"]["step"] == 20
    assert set(result["versions"]) == {"python", "torch", "tokenizers", "numpy"}


def test_validation_measures_every_kind_of_holdout(finished_run):
    scores = finished_run[2]["progress"]["scores"]
    names = {name.rpartition("/")[0] for name in scores} - {""}
    assert names == {
        "gip-unseen-policy", "gip-unseen-intent", "gip-unseen-domain", "sdg-dev", "sdg-unseen", "pool-dev/hate",
    }  # fmt: skip
    assert all(0 <= score <= 1 for score in scores.values())


def test_trained_weights_are_loaded_back(finished_run):
    recipe, out, _, _ = finished_run
    model, _ = gip.build(recipe, out / "best.safetensors")
    best = load_file(out / "best.safetensors")
    assert all(torch.equal(value, best[key]) for key, value in model.state_dict().items())
    fresh, _ = gip.build(recipe)
    assert any(not torch.equal(value, best[key]) for key, value in fresh.state_dict().items())


def test_a_finished_run_is_only_reported_again(finished_run, tiny_data):
    recipe, out, result, _ = finished_run
    before = (out / "best.safetensors").read_bytes()
    again = gip.run(recipe, tiny_data, out)
    assert again["progress"]["scores"] == result["progress"]["scores"]
    assert again["progress"]["runs"] == 2
    assert (out / "best.safetensors").read_bytes() == before


def test_another_recipe_overwrites_nothing(tiny_recipe, tiny_data, tmp_path):
    gip.run(tiny_recipe(steps=1), tiny_data, tmp_path)
    before = files(tmp_path)
    with pytest.raises(RecipeError, match="another output folder"):
        gip.run(tiny_recipe(steps=1, episodes=3), tiny_data, tmp_path)
    assert files(tmp_path) == before


def test_a_start_on_another_base_overwrites_nothing(finished_run, tiny_recipe, tiny_data, base_of, tmp_path):
    """Not even one of the same sizes: its tokens mean something else."""
    recipe = tiny_recipe(model={"base": str(base_of("e5"))})
    with pytest.raises(RecipeError, match="reads other tokens"):
        gip.run(recipe, tiny_data, tmp_path, start=find_origin(str(finished_run[1])))
    assert not files(tmp_path)


def test_a_base_may_move_and_without_a_note_goes_by_its_name(finished_run, tiny_recipe, tiny_base, tmp_path):
    run = Run.open(finished_run[1])
    start = Origin.of_run(run)
    moved = tiny_recipe(model={"base": str(shutil.copytree(tiny_base, tmp_path / "moved"))})
    gip.require_base(moved, start)
    unnoted = {key: value for key, value in run.result.items() if key != "tokenizer"}
    old = Origin.of_run(replace(run, result=unnoted))
    gip.require_base(tiny_recipe(), old)
    with pytest.raises(RecipeError, match="reads other tokens"):
        gip.require_base(moved, old)


@pytest.mark.parametrize("change", [{"head_size": 48}, {"decision_blocks": 2}, {"interaction": "lines"}])
def test_weights_of_other_sizes_overwrite_nothing(finished_run, tiny_recipe, tiny_data, tmp_path, change):
    with pytest.raises(RecipeError, match="does not fit the recipe's model"):
        gip.run(tiny_recipe(model=change), tiny_data, tmp_path, start=find_origin(str(finished_run[1])))
    assert not files(tmp_path)


def test_a_base_that_changed_under_a_run_does_not_resume_it(tiny_recipe, tiny_data, tiny_base, base_of, tmp_path):
    base = shutil.copytree(tiny_base, tmp_path / "base")
    recipe = tiny_recipe(steps=1, model={"base": str(base)})
    gip.run(recipe, tiny_data, tmp_path / "out")
    before = files(tmp_path / "out" / "state")
    shutil.copytree(base_of("roberta"), base, dirs_exist_ok=True)
    with pytest.raises(RecipeError, match="does not fit the recipe's model"):
        gip.run(tiny_recipe(steps=2, model={"base": str(base)}), tiny_data, tmp_path / "out")
    assert files(tmp_path / "out" / "state") == before


def test_texts_longer_than_the_base_reads_are_refused(tiny_recipe, base_of):
    """RoBERTa has 66 rows of positions and reads 64 tokens."""
    base = str(base_of("roberta"))
    gip.build(tiny_recipe(model={"base": base}, data={"max_text": 64}))
    with pytest.raises(RecipeError, match="at most 64"):
        gip.build(tiny_recipe(model={"base": base}, data={"max_text": 65}))


def test_nothing_that_measures_is_trained_on(tiny_recipe, tiny_data, tmp_path):
    from unigurd_trainer.corpus import Corpus
    from unigurd_trainer.evalsets import build_evaluation_sets

    recipe = tiny_recipe()
    source = gip.prepare(recipe, tiny_data, tmp_path).feed.source
    train = [example for index in range(100) for example in source.episode(index).examples]
    corpus = Corpus.read(tiny_data)
    sets = build_evaluation_sets(corpus, corpus.holdout, recipe.seed, max_rows=recipe.validation_rows)
    measured = [example for episodes in sets.values() for episode in episodes for example in episode.examples]
    assert train
    assert measured
    assert not check_leakage(train, measured)


def test_the_stream_has_the_recipes_shares_and_sizes(tiny_recipe, tiny_data, tmp_path):
    recipe = tiny_recipe(data={"composed": 0.5, "conditioned": 0.5, "pool": 0, "cross": 0, "texts": 6})
    source = gip.prepare(recipe, tiny_data, tmp_path).feed.source
    episodes = [source.episode(index) for index in range(100)]
    kinds = [episode.kind for episode in episodes]
    assert (kinds.count("composed"), kinds.count("conditioned")) == (50, 50)
    assert max(len(episode.examples) for episode in episodes) == 6


def test_without_data_nothing_is_trained(tiny_recipe, tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        gip.run(tiny_recipe(), tmp_path / "nowhere", tmp_path / "out")
