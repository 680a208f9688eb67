"""The whole loss of a step in real training: exact reduction, resumption, descent, and errors that name the term."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from unigurd_trainer.errors import RecipeError, TrainerError  # noqa: E402
from unigurd_trainer.gip import build, build_head  # noqa: E402
from unigurd_trainer.loop import Setup, read_log, train  # noqa: E402
from unigurd_trainer.losses import total  # noqa: E402
from unigurd_trainer.losses.cuts import cut  # noqa: E402
from unigurd_trainer.losses.total import layers_of, require_sane, total_loss  # noqa: E402
from unigurd_trainer.objective import Losses, autocast, forward, objective  # noqa: E402
from unigurd_trainer.recipe import GipRecipe, LossRecipe  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

INTERACTIONS = ("lines", "lines-read", "prefix-lines", "full")
ALL = {"mlm": 0.1, "alice": 1.0}


def loss_of(**values):
    """The part of a recipe that these values are."""
    return LossRecipe.model_validate(values)


def batch_of(feed, step=0):
    """The batch of a step that is computed in one part."""
    made = feed[step]
    return made[0] if isinstance(made, tuple) else made


def gradients(model, losses):
    model.zero_grad()
    losses.total.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_without_the_new_terms_it_is_the_old_loss_to_the_bit(make_parts, interaction):
    recipe, model, head, feed = make_parts(model={"interaction": interaction}, optim={"smoothing": 0.02})
    batch, states = batch_of(feed), []
    model.train()
    for compute in (
        lambda: objective(model, batch, line_loss=recipe.optim.line_loss, smoothing=0.02),
        lambda: total_loss(model, head, batch, recipe, 0),
    ):
        torch.manual_seed(3)
        losses = compute()
        states.append((losses, gradients(model, losses), torch.get_rng_state()))
    (old, old_gradients, old_random), (new, new_gradients, new_random) = states
    assert head is None
    assert torch.equal(old.total, new.total)
    assert (old.verdict, old.line, new.others) == (new.verdict, new.line, {})
    assert all(torch.equal(new_gradients[name], gradient) for name, gradient in old_gradients.items())
    assert torch.equal(old_random, new_random)


def test_an_unused_part_leaves_the_hashes_of_recipes_as_they_were(tiny_recipe):
    values = json.loads(tiny_recipe().model_dump_json(exclude={"loss"}))
    old, new = GipRecipe.model_validate(values), GipRecipe.model_validate(values | {"loss": LossRecipe().model_dump()})
    assert (old.resume_key, old.fingerprint) == (new.resume_key, new.fingerprint)
    other = GipRecipe.model_validate(values | {"loss": {"alice": 1.0}})
    assert other.resume_key != old.resume_key


@pytest.mark.parametrize("interaction", INTERACTIONS)
@pytest.mark.parametrize("layer", [0, 1])
def test_the_total_is_the_weighted_sum_of_what_the_log_shows(make_parts, interaction, layer):
    loss = {"mlm": 0.3, "alice": 2.0, "classification": 0.7, "perturbation": {"layers": [layer], "virtual": 0.5}}
    recipe, model, head, feed = make_parts(model={"interaction": interaction, "dropout": 0.0}, loss=loss)
    batch = batch_of(feed)
    losses = total_loss(model.train(), head, batch, recipe, 0)
    named = losses.others
    assert set(named) >= {"mlm_loss", "alice_label", "alice_virtual", "alice_skipped"}
    classified = losses.verdict + recipe.optim.line_loss * losses.line
    alice = named["alice_label"] + 0.5 * named["alice_virtual"]
    assert losses.total.item() == pytest.approx(0.3 * named["mlm_loss"] + 2 * alice + 0.7 * classified, rel=1e-5)
    assert named["alice_label"] >= losses.verdict - 1e-6
    assert named["alice_virtual"] > 0
    assert named["alice_skipped"] == 0
    plain = objective(model, batch, line_loss=recipe.optim.line_loss)
    assert (losses.verdict, losses.line) == pytest.approx((plain.verdict, plain.line), rel=1e-5)


def test_masked_language_modelling_starts_at_a_guess(make_parts):
    recipe, model, head, feed = make_parts(loss={"mlm": 1.0})
    found = [total_loss(model, head, batch_of(feed, step), recipe, step).others["mlm_loss"] for step in range(4)]
    assert sum(found) / 4 == pytest.approx(math.log(model.config.encoder.vocab_size), abs=0.3)


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_masked_language_modelling_reads_the_model_as_it_is(make_parts, interaction):
    """Its states are those that the model computes for the same rows, one row at a time."""
    from unigurd_sdk.nn.encoder import Segments
    from unigurd_trainer.losses.masked import masked_states

    recipe, model, _, feed = make_parts(model={"interaction": interaction}, loss={"mlm": 1.0})
    batch = batch_of(feed)
    rows, found = batch.masked, masked_states(model.eval(), batch_of(feed).masked, batch.layout)
    assert found.shape == (len(rows.targets), 32)
    if interaction == "prefix-lines":  # what texts are shown is tested by its effect: the policy matters
        other = replace(rows, policy=tuple(1 - policy for policy in rows.policy))
        moved = (masked_states(model, other, batch.layout) - found).abs().amax(-1) > 1e-6
        lines = sum(bucket.mask.numel() for bucket in rows.lines)
        assert torch.equal(moved, rows.places >= lines)
        return
    alone = []
    for kind, side in ((0, rows.lines), (1, rows.texts)):
        for bucket in side:
            for ids, mask in zip(bucket.input_ids, bucket.mask, strict=True):
                hidden = model.bert(Segments(ids[None], mask[None], kind)).hidden[0]
                alone.append(hidden)
    assert torch.allclose(torch.cat(alone)[rows.places], found, atol=1e-5)


def test_the_model_is_in_training_mode_again_after_a_term_without_dropout(make_parts):
    loss = {"alice": 1.0, "perturbation": {"eval_in_vat": True, "layers": [1]}}
    recipe, model, head, feed = make_parts(model={"dropout": 0.5}, loss=loss)
    for parameter in model.head.parameters():  # what drops out of an untrained head is multiplied by zero
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.train()
    one, two = (total_loss(model, head, batch_of(feed), recipe, 0) for _ in range(2))
    assert model.training
    assert model.head.training
    assert one.verdict != two.verdict  # dropout is on
    assert one.others["alice_virtual"] == pytest.approx(two.others["alice_virtual"], rel=1e-4)
    noisy = recipe.model_copy(update={"loss": loss_of(alice=1.0, perturbation={"layers": [1]})})
    assert total_loss(model, head, batch_of(feed), noisy, 0).others["alice_virtual"] > one.others["alice_virtual"]


def test_every_says_in_which_steps_a_term_is_computed(make_parts):
    loss = {**ALL, "masking": {"every": 3}, "perturbation": {"every": 2}}
    recipe, model, head, feed = make_parts(loss=loss)
    names = [set(total_loss(model, head, batch_of(feed, step), recipe, step).others) for step in range(6)]
    assert ["mlm_loss" in each for each in names] == [True, False, False, True, False, False]
    assert ["alice_label" in each for each in names] == [True, False] * 3


def test_layers(make_model):
    model = make_model()

    def layers(**spec):
        return list(layers_of(model, loss_of(alice=1.0, perturbation=spec).perturbation))

    assert layers() == [0, 1]
    assert layers(layers="embed") == [0]
    assert layers(layers="top", top_m=1) == [1]
    assert layers(layers=[1]) == [1]
    for spec in ({"layers": [0, 2]}, {"layers": "top", "top_m": 3}):
        with pytest.raises(RecipeError, match="the encoder has 0 to 1"):
            layers(**spec)


def test_a_layer_is_drawn_for_each_step_and_the_same_again(make_parts, monkeypatch):
    drawn = []

    def noted(model, batch, layer):
        drawn.append(layer)
        return cut(model, batch, layer)

    monkeypatch.setattr(total, "cut", noted)
    recipe, model, head, feed = make_parts(loss={"alice": 1.0})
    batch = batch_of(feed)
    for _ in range(2):
        for step in range(12):
            total_loss(model, head, batch, recipe, step)
    assert drawn[:12] == drawn[12:]
    assert set(drawn) == {0, 1}


@pytest.mark.parametrize("loss", [{"mlm": 0, "alice": 0, "classification": 0}, {"perturbation": {"layers": []}}])
def test_a_loss_without_terms_or_layers_is_refused(tiny_recipe, loss):
    with pytest.raises(ValueError, match=r"nothing to train|list of layers is empty"):
        tiny_recipe(loss=loss)


def test_a_pos_weight_counts_violations_more(make_parts):
    recipe, model, head, feed = make_parts(optim={"line_loss": 0.0})
    heavy = recipe.model_copy(update={"loss": LossRecipe(pos_weight=3.0)})
    batch = batch_of(feed)
    rows = [(bucket.labels, logits) for bucket, logits, _ in forward(model.eval(), batch)]
    labels, logits = (torch.cat(column) for column in zip(*rows, strict=True))
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    expected = (each * (1 + 2 * labels)).mean().item()
    assert total_loss(model, head, batch, heavy, 0).verdict == pytest.approx(expected, rel=1e-5)


# In training.


@pytest.fixture
def make_run(make_parts, tmp_path, explained):
    """Build a setup with all terms: `make_run(out=..., stop_at=..., **recipe)`."""

    def make(out="out", stop_at=None, **changes):
        values = {"steps": 7, "loss": ALL, "checkpoint_seconds": 1e-9, **changes}
        recipe, model, head, feed = make_parts(**values)
        return Setup(
            recipe, tmp_path / out, model, replace(feed, source=explained(stop_at=stop_at)),
            lambda model: {"score": 0.5}, head,
        )  # fmt: skip

    return make


def tensors(folder):
    names = ("model", "mlm_head", "optimizer")
    return {name: load_file(folder / "state" / f"{name}.safetensors") for name in names}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_interrupted_run_ends_as_an_uninterrupted_one(make_run, tmp_path, precision):
    changes = {"optim": {"precision": precision}}
    expected = train(make_run("whole", **changes))
    with pytest.raises(KeyboardInterrupt):
        train(make_run("cut", stop_at=9, **changes))
    torch.manual_seed(12345)
    progress = train(make_run("cut", **changes))
    assert (progress.step, progress.tokens) == (7, expected.tokens)
    whole, cut = tensors(tmp_path / "whole"), tensors(tmp_path / "cut")
    for name, values in whole.items():
        assert values.keys() == cut[name].keys()
        assert all(torch.equal(value, cut[name][key]) for key, value in values.items()), name


def test_the_head_is_trained_and_kept_beside_the_model(make_run, tmp_path):
    setup = make_run(steps=3)
    before = {name: value.clone() for name, value in setup.head.state_dict().items()}
    train(setup)
    after = tensors(tmp_path / "out")
    assert after["mlm_head"].keys() == before.keys()
    assert all(not torch.equal(value, before[name]) for name, value in after["mlm_head"].items())
    own = build(setup.recipe)[0].state_dict()
    assert after["model"].keys() == own.keys()
    assert load_file(tmp_path / "out" / "best.safetensors").keys() == own.keys()


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_every_term_falls_on_what_is_trained_on(make_run, interaction, tmp_path):
    optim = {"encoder_lr": 4e-3, "head_lr": 1e-2}
    spec = {"layers": "embed"}
    setup = make_run(
        steps=40, optim=optim, checkpoint_seconds=1e9, model={"interaction": interaction, "dropout": 0.0},
        loss={**ALL, "perturbation": spec},
    )  # fmt: skip
    first, episode = batch_of(setup.feed), setup.feed.source.episode
    setup.feed.source.episode = lambda index: episode(index % setup.feed.episodes)

    def terms():
        losses = total_loss(setup.model.eval(), setup.head, first, setup.recipe, 0)
        return {"verdict": losses.verdict, "line": losses.line, **losses.others}

    before = terms()
    train(setup)
    after = terms()
    falling = {"verdict", "line", "mlm_loss", "alice_label"} - ({"line"} if interaction == "full" else set())
    assert {name: after[name] < 0.8 * before[name] for name in falling} == dict.fromkeys(falling, True)
    record = next(read_log(tmp_path / "out" / "log.jsonl"))
    assert {"verdict_loss", "mlm_loss", "alice_label", "alice_virtual", "alice_skipped"} <= record.keys()


def test_the_virtual_term_alone_makes_the_model_smooth(make_parts):
    spec = {"label": "off", "layers": "embed"}
    recipe, model, _, feed = make_parts(loss={"alice": 1.0, "classification": 0.0, "perturbation": spec})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    unseen = batch_of(feed, 999)

    def roughness():
        return total_loss(model.eval(), None, unseen, recipe, 0).others["alice_virtual"]

    before = roughness()
    for step in range(8):
        model.train()
        gradients(model, total_loss(model, None, batch_of(feed, step), recipe, step))
        optimizer.step()
    assert roughness() < 0.2 * before


@pytest.mark.parametrize("term", ["mlm_loss", "alice_label", "alice_virtual", "verdict_loss", "line_loss"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_term_that_is_not_finite_is_named_with_its_step(term, value):
    values = {"mlm_loss": 1.0, "alice_label": 1.0, "alice_virtual": 1.0, "verdict_loss": 1.0, "line_loss": 1.0}
    values[term] = value
    losses = Losses(torch.zeros(()), values.pop("verdict_loss"), values.pop("line_loss"), values)
    with pytest.raises(TrainerError, match=f"{term} is not finite at step 17"):
        require_sane(losses, 17)


def test_an_alice_term_that_explodes_is_named_and_one_beside_a_tiny_loss_is_not():
    others = {"mlm_loss": 5000.0, "alice_label": 5.0, "alice_virtual": 600.0}
    require_sane(Losses(torch.zeros(()), 1e-6, 0.0, others), 3)
    with pytest.raises(TrainerError, match="alice_virtual is 2.1e[+]03 at step 3"):
        require_sane(Losses(torch.zeros(()), 2.0, 0.0, others | {"alice_virtual": 2100.0}), 3)


def test_a_run_that_diverges_keeps_the_state_from_before(make_run, tmp_path):
    train(make_run(steps=3))
    state = tensors(tmp_path / "out")
    setup = make_run(steps=6)
    episode = setup.feed.source.episode

    def broken(index):
        if index >= 8:
            setup.head.bias.data.fill_(math.nan)
        return episode(index)

    setup.feed.source.episode = broken
    with pytest.raises(TrainerError, match="mlm_loss is not finite at step 4"):
        train(setup)
    kept = tensors(tmp_path / "out")
    assert all(value.isfinite().all() for value in kept["mlm_head"].values())
    assert kept["model"].keys() == state["model"].keys()
    assert train(make_run(steps=6)).step == 6


def test_masked_rows_without_a_head_are_an_error(make_parts):
    recipe, model, _, feed = make_parts(loss={"mlm": 1.0})
    with pytest.raises(TrainerError, match="no head"):
        total_loss(model, None, batch_of(feed), recipe, 0)


def test_the_first_head_depends_on_the_seed_only(make_parts):
    heads = []
    for seed, noise in ((0, 1), (0, 2), (1, 1)):
        recipe, model, _, _ = make_parts(seed=seed, loss={"mlm": 1.0})
        torch.manual_seed(noise)
        head = build_head(recipe, model)
        assert head is not None
        heads.append(head.state_dict()["dense.weight"])
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


MODES: list[dict[str, Any]] = [
    {"mode": mode, "label": label, "virtual": virtual, "divergence": divergence, "ascent": ascent, "norm": norm}
    for mode, label, virtual, divergence, ascent, norm in (
        ("vat", "adversarial", 1.0, "symmetric", 1, "inf"),
        ("vat", "adversarial", 1.0, "one-sided", 2, "2"),
        ("vat", "clean", 1.0, "symmetric", 1, "sign"),
        ("vat", "off", 1.0, "symmetric", 0, "inf"),
        ("vat", "adversarial", 0.0, "symmetric", 0, "2"),
        ("released", "adversarial", 1.0, "symmetric", 1, "inf"),
        ("released", "off", 1.0, "one-sided", 2, "inf"),
    )
]


@pytest.mark.parametrize(
    ("interaction", "precision"),
    [("lines-read", "bf16"), ("lines", "fp32"), ("prefix-lines", "fp32"), ("full", "fp32"), ("prefix-lines", "bf16")],
)
def test_every_mode_trains_in_every_form(make_parts, interaction, precision):
    _, model, head, feed = make_parts(model={"interaction": interaction}, loss={"mlm": 1.0, "rationale": "dropout"})
    base = make_parts(model={"interaction": interaction})[0]
    batch = batch_of(feed)
    for step, spec in enumerate([*MODES, {"shared": False}, {"shared": False, "eval_in_vat": True, "eps": 0.01}]):
        recipe = base.model_copy(update={"loss": loss_of(mlm=0.1, alice=1.0, perturbation=spec)})
        with autocast(precision):
            losses = total_loss(model.train(), head, batch, recipe, step)
        require_sane(losses, step)
        found = gradients(model, losses)
        assert all(gradient.isfinite().all() for gradient in found.values()), spec
        assert found["bert.encoder.layer.0.attention.self.query.weight"].abs().sum() > 0
