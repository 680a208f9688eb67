"""A cut batch: whatever the layer, its rest computes what the whole model computes."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from unigurd_trainer.batching import Collator  # noqa: E402
from unigurd_trainer.losses.cuts import cut  # noqa: E402
from unigurd_trainer.objective import forward  # noqa: E402

INTERACTIONS = ("lines", "lines-read", "prefix-lines", "full")
LAYERS = (0, 1)  # of the tiny base; 0 is the output of the embeddings


@pytest.fixture(scope="module")
def batch(tiny_tokenizer, toy):
    return Collator(tiny_tokenizer, max_text=32, max_line=16)([toy(texts=6).episode(index) for index in range(3)])


@pytest.fixture(params=INTERACTIONS)
def model(request, make_model):
    return make_model(request.param, trained=True)


@torch.no_grad()
@pytest.mark.parametrize("layer", LAYERS)
def test_the_rest_from_any_layer_is_the_whole_pass(model, batch, layer):
    halves = cut(model, batch, layer)
    assert halves.hidden.shape == (len(halves.mask), 32)
    outputs = halves.rest(halves.hidden[None])
    for (bucket, logits, weights), (again, votes) in zip(forward(model, batch), outputs, strict=True):
        assert again.shape == (1, len(bucket.labels))
        assert torch.allclose(again[0], logits, atol=1e-5)
        assert (votes is None) == (weights is None)
        if votes is not None and weights is not None:
            assert torch.allclose(votes[0], weights, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("layer", LAYERS)
def test_each_version_is_computed_as_if_it_were_alone(model, batch, layer):
    halves = cut(model, batch, layer)
    noise = 0.1 * torch.randn(3, *halves.hidden.shape, generator=torch.Generator().manual_seed(0))
    together = halves.rest(halves.hidden + noise)
    for version in range(3):
        alone = halves.rest((halves.hidden + noise[version])[None])
        for (logits, votes), (own, own_votes) in zip(together, alone, strict=True):
            assert torch.allclose(logits[version], own[0], atol=1e-5)
            if votes is not None and own_votes is not None:
                assert torch.allclose(votes[version], own_votes[0], atol=1e-5)
    spread = torch.cat([logits for logits, _ in together], dim=1).std(0)
    assert (spread > 1e-4).all()


@torch.no_grad()
@pytest.mark.parametrize("layer", LAYERS)
def test_padding_has_no_effect_and_every_token_has(model, batch, layer):
    halves = cut(model, batch, layer)
    logits = torch.cat([each for each, _ in halves.rest(halves.hidden[None])], dim=1)
    moved = torch.where(halves.mask[:, None] == 0, halves.hidden + 3.0, halves.hidden)
    assert (halves.mask == 0).any()
    assert torch.allclose(torch.cat([each for each, _ in halves.rest(moved[None])], dim=1), logits, atol=1e-5)
    with torch.enable_grad():
        hidden = halves.hidden.clone().requires_grad_()
        torch.cat([each for each, _ in halves.rest(hidden[None])], dim=1).square().sum().backward()
    assert hidden.grad is not None
    touched = hidden.grad.abs().sum(-1) > 0
    assert torch.equal(touched, halves.mask.bool())


def test_policy_lines_are_part_of_what_is_perturbed_unless_they_are_a_prefix(make_model, batch):
    texts = sum(bucket.mask.numel() for bucket in batch.texts)
    lines = sum(bucket.mask.numel() for bucket in batch.lines)
    sizes = {name: len(cut(make_model(name), batch, 1).mask) for name in INTERACTIONS}
    assert sizes["lines"] == sizes["lines-read"] == texts + lines
    assert sizes["prefix-lines"] == texts
    assert sizes["full"] > texts


def test_gradients_reach_the_layers_below_the_cut(model, batch):
    halves = cut(model, batch, 1)
    torch.cat([each for each, _ in halves.rest(halves.hidden[None])], dim=1).sum().backward()
    for name, parameter in model.bert.named_parameters():
        if "position" not in name and "key.bias" not in name:  # a bias of keys shifts all scores of a query alike
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name
