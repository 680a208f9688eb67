"""The objective: cross-entropy of the verdict, and of the votes where the deciding line is known."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from unigurd_trainer.batching import Collator  # noqa: E402
from unigurd_trainer.objective import (  # noqa: E402
    autocast,
    forward,
    given_logits,
    line_cross_entropy,
    objective,
)
from unigurd_trainer.rows import Episode  # noqa: E402

INTERACTIONS = ("lines", "lines-read", "prefix-lines", "full")


@pytest.fixture(scope="module")
def episodes(toy):
    return [toy(texts=6).episode(index) for index in range(3)]


@pytest.fixture(scope="module")
def collate(tiny_tokenizer):
    return Collator(tiny_tokenizer, max_text=32, max_line=16)


@pytest.fixture(scope="module")
def batch(collate, episodes):
    return collate(episodes)


@torch.no_grad()
def scored(model, batch):
    """(label, logit) of every text."""
    return [
        (label, logit)
        for bucket, logits, _ in forward(model, batch)
        for label, logit in zip(bucket.labels.tolist(), logits.tolist(), strict=True)
    ]


def entropy(target, logit):
    return -target * log(1 / (1 + exp(-logit))) - (1 - target) * log(1 / (1 + exp(logit)))


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_without_a_line_loss_it_is_binary_cross_entropy(make_model, batch, interaction):
    model = make_model(interaction, trained=True)
    losses = objective(model, batch, line_loss=0.0)
    rows = scored(model, batch)
    assert len(rows) == batch.examples == 18
    by_hand = sum(entropy(label, logit) for label, logit in rows) / len(rows)
    assert losses.total.item() == pytest.approx(by_hand, rel=1e-5)
    assert losses.verdict == pytest.approx(by_hand, rel=1e-5)


def test_smoothing_draws_labels_towards_the_middle(make_model, batch):
    model = make_model(trained=True)
    losses = objective(model, batch, line_loss=0.0, smoothing=0.1)
    by_hand = [entropy(0.9 if label else 0.1, logit) for label, logit in scored(model, batch)]
    assert losses.verdict == pytest.approx(sum(by_hand) / len(by_hand), rel=1e-5)


def test_the_line_loss_is_what_the_votes_leave_to_other_lines():
    weights = torch.tensor([[0.5, 0.2, 0.3], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]).log()
    targets = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert line_cross_entropy(weights, targets).item() == pytest.approx(-log(0.7) - log(0.6), rel=1e-5)


def test_the_line_loss_is_a_mean_over_texts_with_a_known_line(make_model, collate, episodes, batch):
    model = make_model(trained=True)
    known = [replace(e, examples=e.examples[:2]) for e in episodes]
    unknown = [
        Episode(e.policy, (*e.examples[:2], *(replace(x, matched=None) for x in e.examples[2:])), e.kind)
        for e in episodes
    ]
    alone = objective(model, collate(known), line_loss=1.0).line
    assert alone > 0
    assert objective(model, collate(unknown), line_loss=1.0).line == pytest.approx(alone, rel=1e-4)


def test_a_batch_of_unknown_lines_has_no_line_loss(make_model, collate, episodes):
    model = make_model(trained=True)
    unknown = [replace(e, examples=tuple(replace(x, matched=None) for x in e.examples)) for e in episodes]
    losses = objective(model, collate(unknown), line_loss=100.0)
    assert losses.line == 0
    assert losses.total.item() == pytest.approx(losses.verdict)


def test_the_total_weighs_the_line_loss(make_model, batch):
    losses = objective(make_model(trained=True), batch, line_loss=0.3)
    assert losses.line > 0
    assert losses.total.item() == pytest.approx(losses.verdict + 0.3 * losses.line, rel=1e-5)


@pytest.mark.parametrize("interaction", INTERACTIONS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gradients_reach_every_layer_of_the_encoder_and_the_head(make_model, batch, interaction, precision):
    model = make_model(interaction, trained=True)
    with autocast(precision):
        objective(model, batch, line_loss=0.3).total.backward()
    for layer in model.bert.layers:
        gradient = layer.output.dense.weight.grad
        assert gradient is not None
        assert gradient.abs().sum() > 0
    gradients = [p.grad for p in model.head.parameters() if p.grad is not None]
    assert sum(float(g.abs().sum()) for g in gradients) > 0
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_the_other_episodes_of_a_step_do_not_change_a_logit(make_model, collate, episodes, batch, interaction):
    model = make_model(interaction, trained=True)
    together = sorted(logit for _, logit in scored(model, batch))
    alone = sorted(logit for episode in episodes for _, logit in scored(model, collate([episode])))
    assert together == pytest.approx(alone, abs=1e-4)


def test_weights_come_with_the_bucket_that_they_judge(make_model, batch):
    for bucket, logits, weights in forward(make_model(), batch):
        assert logits.shape == bucket.labels.shape
        assert weights is not None
        assert weights.shape == bucket.targets.shape
        assert torch.allclose(weights.exp().sum(1), torch.ones(len(logits)))


def test_the_full_form_has_no_votes(make_model, batch):
    model = make_model("full")
    assert all(weights is None for _, _, weights in forward(model, batch))
    assert objective(model, batch, line_loss=1.0).line == 0


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_the_precision_is_that_of_the_linear_layers(precision, dtype):
    with torch.no_grad(), autocast(precision):
        assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype == dtype


def test_given_labels_are_right_as_often_as_the_noise_says():
    logits = torch.tensor([-40.0, 0.0, 2.0, 40.0])
    given = given_logits(logits, 0.1).sigmoid()
    assert torch.allclose(given, torch.tensor([0.1, 0.5, 0.1 + 0.8 * float(torch.sigmoid(logits[2])), 0.9]), atol=1e-6)


def test_with_noise_a_sure_contradiction_pulls_less():
    gradients = []
    for noise in (0.0, 0.2):
        logits = torch.tensor([6.0], requires_grad=True)
        shown = given_logits(logits, noise) if noise else logits
        functional.binary_cross_entropy_with_logits(shown, torch.tensor([0.0])).backward()
        gradients.append(logits.grad.item())
    assert 0 < gradients[1] < gradients[0] / 50
