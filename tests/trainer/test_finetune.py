"""A TaskGuard: it learns its policy, opens as a checkpoint, resumes, and says what it was trained on."""

import json
from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from typer.testing import CliRunner

from unigurd_sdk import Guard, Policy
from unigurd_sdk.checkpoint import Checkpoint
from unigurd_trainer.cli import app
from unigurd_trainer.errors import RecipeError, TrainerError
from unigurd_trainer.finetune import TaskRecipe, run
from unigurd_trainer.rows import Example
from unigurd_trainer.starts import Start
from unigurd_trainer.taskdata import TaskData

POLICY = Policy(name="lamps", description="No lamps.", disallowed=("asking for a lamp",))


def rows(start, stop):
    return tuple(
        Example(("lamp door " if n % 2 else "oven door ") + " ".join(["door"] * (n % 5)) + str(n), n % 2, "mine", "MIT")
        for n in range(start, stop)
    )


DATA = TaskData(train=rows(0, 64), dev=rows(64, 96))
RECIPE = TaskRecipe(epochs=12, patience=0, encoder_lr=3e-3, head_lr=1e-2, precision="fp32", augment=0.0, max_text=32)


@pytest.fixture
def start(tiny_checkpoint):
    return Start.of_checkpoint(Checkpoint.open(tiny_checkpoint))


def test_a_task_guard_learns_its_policy_and_opens(start, tmp_path):
    result = run(POLICY, DATA, start, tmp_path / "task", recipe=RECIPE, precision="fp32")
    assert result["after"]["auc"] == 1.0
    assert result["rows"] == {"train": 64, "dev": 32}
    with Guard.from_pretrained(tmp_path / "task") as guard:
        scores = [guard.check(text, policy=POLICY).score for text in ("lamp door 7", "oven door 7")]
    assert scores[0] > scores[1]
    manifest = json.loads((tmp_path / "task" / "guard.json").read_text())
    assert manifest["name"] == "task-lamps"
    assert manifest["sources"] == ["mine: MIT"]
    assert manifest["data_hash"] == DATA.fingerprint


def test_with_the_head_only_the_encoder_stays(start, tiny_checkpoint, tmp_path):
    from safetensors.torch import load_file

    head = RECIPE.model_copy(update={"mode": "head", "epochs": 1})
    run(POLICY, DATA, start, tmp_path, recipe=head, precision="fp32")
    before, after = (load_file(folder / "model.safetensors") for folder in (tiny_checkpoint, tmp_path))
    encoder = [name for name in before if name.startswith("bert.")]
    assert encoder
    assert all(before[name].equal(after[name]) for name in encoder)
    assert any(not before[name].equal(after[name]) for name in before if name.startswith("head."))


def test_the_output_mode_trains_the_last_layer_alone(start, tiny_checkpoint, tmp_path):
    from safetensors.torch import load_file

    run(
        POLICY,
        DATA,
        start,
        tmp_path,
        recipe=RECIPE.model_copy(update={"mode": "output", "epochs": 1}),
        precision="fp32",
    )
    before, after = (load_file(folder / "model.safetensors") for folder in (tiny_checkpoint, tmp_path))
    changed = {name.removeprefix("head.").partition(".")[0] for name in before if not before[name].equal(after[name])}
    assert "correction_out" in changed
    assert changed <= {"correction_out", "valence_out", "valence", "null_cosine", "sharpness", "scale"}


def test_a_plain_guard_scores_alike_under_every_policy(start, tmp_path):
    recipe = RECIPE.model_copy(update={"plain": True, "epochs": 1})
    run(POLICY, DATA, start, tmp_path / "plain", recipe=recipe, precision="fp32")
    with Guard.from_pretrained(tmp_path / "plain") as guard:
        one, other = (guard.check("lamp door 7", policy=policy).score for policy in (POLICY, "tax"))
    assert one == other


def test_the_checkpoint_has_a_card_with_policy_scores_and_sources(start, tmp_path):
    result = run(
        POLICY, DATA, start, tmp_path / "task", recipe=RECIPE.model_copy(update={"epochs": 1}), precision="fp32"
    )
    card = (tmp_path / "task" / "README.md").read_text()
    for part in ("# task-lamps", "No lamps.", "- asking for a lamp", "- mine: MIT", f"{result['after']['auc']:.3f}"):
        assert part in card


def test_a_run_that_diverges_names_the_step_and_writes_no_checkpoint(start, tmp_path):
    recipe = RECIPE.model_copy(update={"encoder_lr": 1e6, "head_lr": 1e6})
    with pytest.raises(TrainerError, match=r"not finite at step \d+"):
        run(POLICY, DATA, start, tmp_path / "task", recipe=recipe, precision="fp32")
    assert not (tmp_path / "task").exists()


def test_texts_longer_than_the_encoder_reads_are_cut(start, tmp_path):
    long = tuple(replace(row, text=row.text + " door" * 200) for row in DATA.train)
    recipe = RECIPE.model_copy(update={"epochs": 1, "max_text": 256})
    assert (
        run(POLICY, TaskData(long, DATA.dev), start, tmp_path, recipe=recipe, precision="fp32")["rows"]["train"] == 64
    )


def test_other_data_in_the_same_folder_is_refused(start, tmp_path):
    run(POLICY, DATA, start, tmp_path, recipe=RECIPE.model_copy(update={"epochs": 1}), precision="fp32")
    other = TaskData(train=rows(0, 60), dev=DATA.dev)
    with pytest.raises(RecipeError, match="another output folder"):
        run(POLICY, other, start, tmp_path, recipe=RECIPE, precision="fp32")


def test_the_command_goes_from_a_file_to_a_checkpoint(tiny_checkpoint, tmp_path):
    data = tmp_path / "my.jsonl"
    sides = {"train": DATA.train, "dev": DATA.dev}
    lines = [{"text": row.text, "label": row.label, "split": split} for split in sides for row in sides[split]]
    data.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    POLICY.save(tmp_path / "lamps.yaml")
    out = tmp_path / "guard"
    arguments = ["finetune", "--policy", str(tmp_path / "lamps.yaml"), "--data", str(data), "--out", str(out)]
    outcome = CliRunner().invoke(
        app, [*arguments, "--from", str(tiny_checkpoint), "--epochs", "1", "--precision", "fp32"]
    )
    assert outcome.exit_code == 0, outcome.output
    assert "32 held out" in outcome.output
    assert (out / "guard.json").is_file()
