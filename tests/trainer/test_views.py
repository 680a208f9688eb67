"""Views: who reads a rationale in which mode, that no text can forge one, and that steps are masked the same again."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from unigurd_sdk.policy import Policy  # noqa: E402
from unigurd_trainer.batching import Collator  # noqa: E402
from unigurd_trainer.errors import LeakageError, RecipeError  # noqa: E402
from unigurd_trainer.rows import Episode, Example  # noqa: E402
from unigurd_trainer.scoring import make_validation, score_episodes  # noqa: E402
from unigurd_trainer.views import views_of  # noqa: E402

POLICY = Policy(name="toy", description="No such thing.", allowed=("lamp",), disallowed=("door",))
WHY = "kind hate zebra"


def episode(*rows):
    """An episode of (text, rationale) rows."""
    examples = [Example(text, at % 2, "toy", "MIT", rationale=why) for at, (text, why) in enumerate(rows)]
    return Episode(POLICY, tuple(examples), "conditioned")


EPISODES = [episode(("lamp please", WHY), ("door please", None)), episode(("my oven now", WHY), ("no sofa", WHY))]


@pytest.fixture
def make_views(tiny_recipe, tiny_tokenizer):
    """Build views as a recipe does: `make_views(mlm=..., rationale=..., interaction=..., seed=...)`."""

    def make(interaction="lines-read", seed=0, positions=64, data=None, **loss):
        recipe = tiny_recipe(model={"interaction": interaction}, loss=loss, seed=seed, data=data or {})
        return views_of(recipe, Collator(tiny_tokenizer, max_text=32, max_line=16), positions)

    return make


def texts(buckets, tokenizer):
    """Rows as strings of tokens, sorted."""
    rows = [ids[mask.bool()].tolist() for b in buckets for ids, mask in zip(b.input_ids, b.mask, strict=True)]
    return sorted(" ".join(tokenizer._tokenizer.id_to_token(i) for i in row) for row in rows)


def unmasked(batch):
    """The rows of masked language modelling with what was hidden put back: lines and texts."""
    rows = batch.masked
    sizes = [bucket.input_ids.numel() for bucket in (*rows.lines, *rows.texts)]
    flat = torch.cat([bucket.input_ids.flatten() for bucket in (*rows.lines, *rows.texts)])
    flat[rows.places] = rows.targets
    parts = zip(torch.split(flat, sizes), (*rows.lines, *rows.texts), strict=True)
    whole = [replace(bucket, input_ids=part.view_as(bucket.input_ids)) for part, bucket in parts]
    return whole[: len(rows.lines)], whole[len(rows.lines) :]


BLIND = [
    "[CLS] query : door please [SEP]",
    "[CLS] query : lamp please [SEP]",
    "[CLS] query : my oven now [SEP]",
    "[CLS] query : no sofa [SEP]",
]
READ = [
    "[CLS] query : door please [SEP]",
    "[CLS] query : lamp please [SEP] kind hate zebra [SEP]",
    "[CLS] query : my oven now [SEP] kind hate zebra [SEP]",
    "[CLS] query : no sofa [SEP] kind hate zebra [SEP]",
]


@pytest.mark.parametrize(
    ("mode", "classified", "hidden"),
    [("views", BLIND, READ), ("literal", READ, READ), ("none", BLIND, BLIND)],
)
def test_who_reads_a_rationale(make_views, tiny_tokenizer, mode, classified, hidden):
    batch = make_views(mlm=1.0, rationale=mode)(0, EPISODES)
    assert texts(batch.texts, tiny_tokenizer) == classified
    lines, rows = unmasked(batch)
    assert texts(rows, tiny_tokenizer) == hidden
    assert texts(lines, tiny_tokenizer) == texts(batch.lines, tiny_tokenizer)


def test_dropout_keeps_a_share_and_others_in_each_step(make_views, tiny_tokenizer):
    views = make_views(rationale="dropout", keep_rationale=0.25)
    kept = [sum("zebra" in row for row in texts(views(step, EPISODES).texts, tiny_tokenizer)) for step in range(200)]
    assert sum(kept) / (3 * 200) == pytest.approx(0.25, abs=0.06)
    assert len(set(kept)) > 2
    again = [sum("zebra" in row for row in texts(views(step, EPISODES).texts, tiny_tokenizer)) for step in range(20)]
    assert again == kept[:20]


def test_with_plain_losses_there_are_no_views(make_views):
    assert make_views() is None
    assert make_views(alice=1.0) is None
    assert make_views(rationale="none", alice=1.0) is None


def test_without_a_rationale_both_views_are_the_same(make_views, tiny_tokenizer):
    plain = [episode(("lamp please", None), ("door", None))]
    batch = make_views(mlm=1.0)(0, plain)
    assert texts(unmasked(batch)[1], tiny_tokenizer) == texts(batch.texts, tiny_tokenizer)


def test_a_text_cannot_forge_a_rationale(tiny_tokenizer):
    collate = Collator(tiny_tokenizer, max_text=32, max_line=16, max_rationale=20)
    for text, why in (("lamp [SEP] hate [SEP]", None), ("lamp [SEP] hate", "kind [SEP] [CLS] kind"), ("[MASK]", "x")):
        ids = collate.text_ids(Example(text, 0, "toy", "MIT", rationale=why))
        assert [i for i in ids if i in tiny_tokenizer.specials - {tiny_tokenizer.end}] == [tiny_tokenizer.start]
        assert ids.count(tiny_tokenizer.end) == (1 if why is None else 2)


def test_long_rationales_are_cut_and_texts_are_not(tiny_tokenizer):
    collate = Collator(tiny_tokenizer, max_text=32, max_line=16, max_rationale=5)
    ids = collate.text_ids(Example("lamp please", 0, "toy", "MIT", rationale="zebra " * 30))
    bare = Collator(tiny_tokenizer, max_text=32, max_line=16).text_ids(Example("lamp please", 0, "toy", "MIT"))
    assert ids[: len(bare)] == bare
    assert len(ids) == len(bare) + 6


def test_rows_with_rationales_fit_the_positions_or_the_recipe_is_refused(make_views, tiny_tokenizer):
    long = [episode(("lamp " * 60, "zebra " * 60))]
    batch = make_views(mlm=1.0, positions=48)(0, long)
    assert max(bucket.mask.shape[1] for bucket in batch.masked.texts) == 48
    with pytest.raises(RecipeError, match="max_text = 32 leaves no room"):
        make_views(mlm=1.0, positions=36)
    assert make_views(mlm=1.0, rationale="none", positions=36) is not None


def test_a_step_is_masked_the_same_again_and_another_step_otherwise(make_views):
    one, two = (make_views(mlm=1.0)(7, EPISODES).masked for _ in range(2))
    for a, b in zip((*one.lines, *one.texts), (*two.lines, *two.texts), strict=True):
        assert torch.equal(a.input_ids, b.input_ids)
    assert torch.equal(one.places, two.places)
    others = [make_views(mlm=1.0)(8, EPISODES).masked, make_views(mlm=1.0, seed=1)(7, EPISODES).masked]
    assert all(other.places.tolist() != one.places.tolist() for other in others)


def test_masking_leaves_global_random_states_alone(make_views):
    torch.manual_seed(0)
    random.seed(0)
    before = (torch.get_rng_state(), random.getstate())
    make_views(mlm=1.0, rationale="dropout")(0, EPISODES)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()


def test_places_point_at_what_was_hidden(make_views, tiny_tokenizer):
    batch = make_views(mlm=1.0)(3, EPISODES)
    rows = (*batch.masked.lines, *batch.masked.texts)
    flat = torch.cat([bucket.input_ids.flatten() for bucket in rows])
    mask = torch.cat([bucket.mask.flatten() for bucket in rows])
    assert mask[batch.masked.places].all()
    assert not set(batch.masked.targets.tolist()) & tiny_tokenizer.specials
    assert (flat == tiny_tokenizer.mask).sum() == (flat[batch.masked.places] == tiny_tokenizer.mask).sum() > 0
    rows_with = sum(len(bucket.mask) for bucket in rows)
    assert len(batch.masked.places) >= rows_with
    assert len(batch.masked.places) == len(batch.masked.targets)


def test_in_the_joint_form_policy_and_text_are_one_row_and_its_marks_are_not_hidden(make_views, tiny_tokenizer):
    batch = make_views(mlm=1.0, interaction="full", masking={"share": 0.9})(0, EPISODES)
    assert batch.masked.lines == ()
    (row,) = [row for row in texts(unmasked(batch)[1], tiny_tokenizer) if "oven" in row]
    assert row.startswith("[CLS] [unused1] no s")
    assert " [SEP] [CLS] [unused2] lamp [SEP] [CLS] [unused3] door [SEP] " in row
    assert row.endswith("[CLS] query : my oven now [SEP] kind hate zebra [SEP]")
    assert not {1, 2, 3} & set(batch.masked.targets.tolist())


def test_steps_without_masked_language_modelling_have_no_masked_rows(make_views):
    views = make_views(mlm=1.0, masking={"every": 3})
    assert [views(step, EPISODES).masked is None for step in range(7)] == [False, True, True] * 2 + [False]


def test_scoring_sees_no_rationale(make_model, tiny_tokenizer):
    model, blind = make_model(trained=True), Collator(tiny_tokenizer, max_text=32, max_line=16)
    bare = [replace(e, examples=tuple(replace(x, rationale=None) for x in e.examples)) for e in EPISODES]
    one, two = (score_episodes(model, blind, episodes, precision="fp32") for episodes in (EPISODES, bare))
    assert one.logits.tolist() == two.logits.tolist()
    assert make_validation(blind, {"a": EPISODES})(model) == make_validation(blind, {"a": bare})(model)
    reading = Collator(tiny_tokenizer, max_text=32, max_line=16, max_rationale=20)
    with pytest.raises(LeakageError, match="Rationales"):
        score_episodes(model, reading, EPISODES)
