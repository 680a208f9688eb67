"""Stage export: from the output folder of a run to a checkpoint that says where it comes from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from unigurd_sdk.checkpoint import Checkpoint  # noqa: E402
from unigurd_sdk.runtime.arithmetic import has_exact_products  # noqa: E402
from unigurd_trainer import export_stage, gip  # noqa: E402
from unigurd_trainer.errors import DataError, TrainerError  # noqa: E402
from unigurd_trainer.export import export  # noqa: E402
from unigurd_trainer.export_cli import register  # noqa: E402
from unigurd_trainer.merge import apply  # noqa: E402
from unigurd_trainer.merge.recipe import CandidateRecipe, MergeRecipe  # noqa: E402


@pytest.fixture(scope="module")
def finished(tiny_recipe, tiny_data, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    gip.run(tiny_recipe(steps=4), tiny_data, out)
    return out


def test_the_manifest_says_where_the_weights_come_from(finished, tiny_data, tmp_path):
    exported = export_stage.run(finished, tmp_path, precision="fp32", name="tiny", data=tiny_data)
    result = json.loads((finished / "result.json").read_text())
    manifest = Checkpoint.open(tmp_path).manifest
    assert manifest == exported.manifest
    assert (manifest.name, manifest.base_licence, manifest.interim) == ("tiny", "not stated", True)
    assert (manifest.recipe_hash, manifest.data_hash) == (result["recipe_hash"], result["data_hash"])
    assert (manifest.seed, manifest.examples_seen) == (0, result["progress"]["examples"])
    assert manifest.trained_seconds == result["progress"]["seconds"] > 0
    assert {"torch", "onnx", "onnxruntime", "python"} <= set(manifest.versions)
    assert set(manifest.scores["sdg-unseen"]) == {"auc", "policy_auc"}
    assert [source.partition(":")[0] for source in manifest.sources] == ["clinc150", "sdg/written", "toy"]
    assert (manifest.max_length, manifest.line_length, manifest.overlap) == (64, 16, 32)  # the base reads 64
    assert exported.training.worst < 1e-4


def test_a_merge_names_the_sources_of_all_its_runs(tiny_recipe, tiny_data, tmp_path):
    """The strongest run gives the recipe, but not only its data were learnt."""
    data = Path(shutil.copytree(tiny_data, tmp_path / "data"))
    (data / "documents").mkdir()
    row = {"text": "Turn the valve slowly. Wait. " * 20, "source": "manual", "licence": "MIT"}
    (data / "documents" / "all.jsonl").write_text(json.dumps(row))
    for seed, (name, share) in enumerate((("plain", 0.0), ("prose", 0.5))):
        recipe = tiny_recipe(steps=1, seed=seed)
        changed = recipe.model_copy(update={"data": recipe.data.model_copy(update={"documents": share})})
        gip.run(changed, data, tmp_path / name)
    candidates = tuple(CandidateRecipe(path=str(tmp_path / name)) for name in ("plain", "prose"))
    apply.run(MergeRecipe(name="merged", method="average", candidates=candidates), tmp_path / "merged")
    found = {}
    for name in ("plain", "prose", "merged"):
        exported = export_stage.run(tmp_path / name, tmp_path / f"{name}-guard", precision="fp32", data=data)
        found[name] = {source.partition(":")[0] for source in exported.manifest.sources}
    assert found["prose"] - found["plain"] == {"manual"}
    assert found["merged"] == found["prose"]


def test_int8_reports_what_it_costs(finished, tmp_path):
    exported = export_stage.run(finished, tmp_path, interim=False)
    assert exported.manifest.sources == ()
    assert not exported.manifest.interim
    assert exported.training.pairs == exported.runtimes.pairs > 100
    assert 0 < exported.training.mean <= exported.training.worst < 0.1
    assert "verdicts equal" in str(exported.training)


def test_a_second_arithmetic_is_compared_with_float32_where_there_is_one(finished, tmp_path):
    with_it, without = (export_stage.run(finished, tmp_path / p, precision=p) for p in ("int8-weights", "fp32"))
    assert without.arithmetic is None
    if has_exact_products():
        assert with_it.arithmetic is not None
        assert 0 < with_it.arithmetic.worst < 5e-3
        assert with_it.arithmetic.pairs == with_it.training.pairs
    else:
        assert with_it.arithmetic is None


@pytest.mark.parametrize("missing", ["recipe.json", "result.json"])
def test_a_run_that_is_not_finished_is_refused(finished, tmp_path, missing):
    copy = shutil.copytree(finished, tmp_path / "run")
    (copy / missing).unlink()
    with pytest.raises(DataError, match="finished") as caught:
        export_stage.run(copy, tmp_path / "out")
    assert caught.value.file == copy / missing


def test_graphs_that_compute_something_else_are_refused(finished, tmp_path, monkeypatch):
    def export_other(model, *arguments):
        with torch.no_grad():
            model.head.valence += 1.0
            manifest = export(model, *arguments)
            model.head.valence -= 1.0
        return manifest

    monkeypatch.setattr(export_stage, "export", export_other)
    with pytest.raises(TrainerError, match="do not compute"):
        export_stage.run(finished, tmp_path, precision="fp32")


def test_the_command_writes_a_checkpoint_and_says_how_far_it_differs(finished, tmp_path):
    app = typer.Typer()
    register(app)
    result = CliRunner().invoke(app, [str(finished), "--out", str(tmp_path / "out"), "--name", "mine"])
    assert result.exit_code == 0, result.output
    assert "model as trained" in " ".join(result.output.split())
    assert Checkpoint.open(tmp_path / "out").manifest.name == "mine"


def test_the_last_weights_do_not_carry_the_scores_of_the_best(finished, tmp_path):
    exported = export_stage.run(finished, tmp_path, precision="fp32", weights="last")
    assert exported.manifest.scores == {}
