"""The encoder is BERT: the same numbers as the reference, packed or not, padded or not, with or without a prefix."""

from __future__ import annotations

import warnings

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from unigurd_sdk.nn.encoder import (  # noqa: E402
    Encoder,
    EncoderConfig,
    Prefix,
    Segments,
    attend,
    attention_bias,
    mean_pool,
)

TINY = EncoderConfig(
    vocab_size=50,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=40,
)


@pytest.fixture(scope="module")
def encoder():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Encoder(TINY).eval()


def rows(lengths, token_type=0, width=None, seed=1):
    """Random rows of these lengths, padded with id 0 to the longest or to `width`."""
    generator = torch.Generator().manual_seed(seed)
    width = width or max(lengths)
    ids = torch.randint(8, TINY.vocab_size, (len(lengths), width), generator=generator)
    mask = (torch.arange(width) < torch.tensor(lengths)[:, None]).long()
    return Segments(ids * mask, mask, token_type)


def same(one, two, mask=None, tolerance=1e-5):
    """Whether hidden states [B, T, D] agree wherever a token stands."""
    chosen = slice(None) if mask is None else mask.bool()
    return torch.allclose(one[chosen], two[chosen], atol=tolerance, rtol=0)


@pytest.mark.parametrize(
    ("config", "tolerance"),
    [(TINY, 1e-5), pytest.param(EncoderConfig(), 5e-5, id="shapes of all-MiniLM-L6-v2")],
)
def test_it_computes_what_transformers_computes(config, tolerance):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers = pytest.importorskip("transformers")
        from dataclasses import asdict

        with torch.random.fork_rng():
            torch.manual_seed(0)
            reference = transformers.BertModel(transformers.BertConfig(**asdict(config)), add_pooling_layer=False)
    reference.eval()
    ours = Encoder(config).eval()
    weights = {key: value for key, value in reference.state_dict().items() if "position_ids" not in key}
    ours.load_state_dict(weights)
    for token_type in (0, 1):
        segments = rows([3, 11, 7], token_type)
        types = torch.full_like(segments.input_ids, token_type)
        with torch.no_grad():
            expected = reference(segments.input_ids, segments.mask, token_type_ids=types).last_hidden_state
            assert same(ours(segments).hidden, expected, segments.mask, tolerance)


@torch.no_grad()
def test_packed_batches_are_encoded_as_each_of_them_alone(encoder):
    batches = [rows([2, 3]), rows([9, 5, 1], token_type=1), rows([40]), rows([7] * 6, token_type=1)]
    for one, batch in zip(encoder.packed(batches), batches, strict=True):
        assert one.shape == (*batch.input_ids.shape, TINY.hidden_size)
        assert same(one, encoder(batch).hidden, batch.mask)


def gradients(encoder, states, batches):
    """Gradient of every weight for a sum over all tokens that stand."""
    encoder.zero_grad()
    torch.stack(
        [each[batch.mask.bool()].pow(3).sum() for each, batch in zip(states, batches, strict=True)]
    ).sum().backward()
    return {name: weight.grad.clone() for name, weight in encoder.named_parameters()}


def test_packed_batches_have_the_gradients_of_each_of_them_alone(encoder):
    batches = [rows([2, 3]), rows([9, 5, 1], token_type=1), rows([7] * 6, token_type=1)]
    packed = gradients(encoder, encoder.packed(batches), batches)
    alone = gradients(encoder, [encoder(batch).hidden for batch in batches], batches)
    assert all(torch.allclose(packed[name], alone[name], atol=1e-4, rtol=1e-4) for name in alone)
    assert alone["embeddings.token_type_embeddings.weight"].abs().sum(1).gt(0).all()


@torch.no_grad()
@pytest.mark.parametrize("multiple", [1, 7, 256])
def test_the_height_of_a_packed_matrix_is_a_detail(encoder, multiple):
    batch = rows([4, 6])
    (one,) = encoder.packed([batch], multiple)
    assert same(one, encoder(batch).hidden, batch.mask)


@torch.no_grad()
@pytest.mark.parametrize("layer", range(TINY.num_hidden_layers + 1))
def test_a_pass_can_be_cut_at_any_layer(encoder, layer):
    policy, batches = rows([6, 4], seed=2), [rows([2, 3]), rows([9, 5, 1], token_type=1)]
    whole = encoder.pack(batches)
    again = encoder.through_packed(encoder.through_packed(whole, last=layer), first=layer)
    for one, two in zip(again.batches(), encoder.packed(batches), strict=True):
        assert torch.equal(one, two)
    encoded = encoder(policy)
    prefix = Prefix(encoded.keys, encoded.values, policy.mask)
    text = rows([8, 3], token_type=1, seed=3)
    lower = encoder.through(encoder.embeddings(text.input_ids, 1), text.mask, prefix, last=layer).hidden
    upper = encoder.through(lower, text.mask, prefix, first=layer).hidden
    assert torch.equal(upper, encoder(text, prefix).hidden)


@torch.no_grad()
def test_versions_of_packed_tokens_are_rows_of_their_own(encoder):
    batches = [rows([2, 3]), rows([9, 5, 1], token_type=1)]
    packed = encoder.pack(batches)
    assert packed.tokens.shape == (2 * 3 + 3 * 9, TINY.hidden_size)
    shifts = torch.tensor([0.0, 0.5, -0.5])[:, None, None]
    versions = encoder.through_packed(packed.versions(packed.tokens + shifts)).batches()
    for number, shift in enumerate(shifts):
        alone = encoder.through_packed(packed.versions((packed.tokens + shift[0])[None])).batches()
        for batch, one, two in zip(batches, versions, alone, strict=True):
            count = len(batch.mask)
            assert same(one[number * count : (number + 1) * count], two, batch.mask)
    for batch, one, two in zip(batches, versions, encoder.packed(batches), strict=True):
        assert same(one[: len(batch.mask)], two, batch.mask)


@torch.no_grad()
@pytest.mark.parametrize("packed", [False, True])
def test_padding_changes_nothing(encoder, packed):
    tight, wide = rows([5]), rows([5], width=23)
    wide = Segments(functional.pad(tight.input_ids, (0, 18), value=9), wide.mask, 0)
    hidden = encoder.packed([wide])[0] if packed else encoder(wide).hidden
    assert same(hidden[:, :5], encoder(tight).hidden)


@torch.no_grad()
def test_batch_mates_change_nothing(encoder):
    batch = rows([6, 9, 3])
    hidden = encoder(batch).hidden
    for index in range(3):
        alone = encoder(Segments(batch.input_ids[index : index + 1], batch.mask[index : index + 1], 0)).hidden
        assert same(hidden[index : index + 1], alone, batch.mask[index : index + 1])


@torch.no_grad()
def test_the_token_type_matters(encoder):
    assert not same(encoder(rows([5], 0)).hidden, encoder(rows([5], 1)).hidden, tolerance=1e-2)


@torch.no_grad()
def test_a_prefix_is_full_attention_in_which_the_policy_does_not_see_the_text(encoder):
    policy, text = rows([6, 4], 0, seed=2), rows([8, 3], 1, seed=3)
    encoded = encoder(policy)
    answer = encoder(text, Prefix(encoded.keys, encoded.values, policy.mask))

    hidden = torch.cat([encoder.embeddings(part.input_ids, part.token_type) for part in (policy, text)], dim=1)
    seen = torch.cat((policy.mask, text.mask), dim=1)[:, None, :].repeat(1, hidden.shape[1], 1)
    seen[:, :6, 6:] = 0
    bias = (1.0 - seen.float())[:, None] * -1e9
    for layer in encoder.layers:
        context, _, _ = layer.attention["self"](hidden, bias)
        hidden = layer.after(context, hidden)
    assert same(answer.hidden, hidden[:, 6:], text.mask)
    assert same(encoded.hidden, hidden[:, :6], policy.mask)
    assert not same(answer.hidden, encoder(text).hidden, text.mask, tolerance=1e-2)


@torch.no_grad()
def test_a_prefix_of_padding_alone_is_none(encoder):
    policy, text = rows([6]), rows([8], 1)
    encoded = encoder(policy)
    nothing = Prefix(encoded.keys, encoded.values, torch.zeros_like(policy.mask))
    assert same(encoder(text, nothing).hidden, encoder(text).hidden)


@pytest.mark.parametrize("packed", [False, True])
def test_under_autocast_linear_layers_are_bfloat16_and_attention_is_float32(encoder, monkeypatch, packed):
    attention: set[object] = set()
    linear: set[object] = set()
    original = functional.scaled_dot_product_attention

    def spy(query, key, value, attn_mask):
        attention.update(x.dtype for x in (query, key, value, attn_mask))
        return original(query, key, value, attn_mask=attn_mask)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", spy)
    hooks = [
        layer.register_forward_hook(lambda _, __, out: linear.add(out.dtype))
        for layer in encoder.modules()
        if isinstance(layer, torch.nn.Linear)
    ]
    batch = rows([5, 7])
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = encoder.packed([batch])[0] if packed else encoder(batch).hidden
    for hook in hooks:
        hook.remove()
    assert attention == {torch.float32}
    assert linear == {torch.bfloat16}
    with torch.no_grad():
        assert same(hidden.float(), encoder(batch).hidden, batch.mask, tolerance=0.1)


def test_attention_written_out_for_export_is_the_same(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 3, 5, 4, generator=generator) for _ in range(3))
    bias = attention_bias(torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]))
    fused = attend(query, key, value, bias)
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    assert torch.allclose(attend(query, key, value, bias), fused, atol=1e-6)


def test_a_row_longer_than_the_positions_is_an_error(encoder):
    with pytest.raises(RuntimeError, match="size"):
        encoder(rows([TINY.max_position_embeddings + 1]))


@torch.no_grad()
def test_a_row_without_a_token_stays_finite(encoder):
    assert bool(encoder(rows([4, 0])).hidden.isfinite().all())


def test_the_mean_is_over_real_tokens_and_in_float32():
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [99.0, 99.0]], [[5.0, 5.0]] * 3], dtype=torch.bfloat16)
    pooled = mean_pool(hidden, torch.tensor([[1, 1, 0], [0, 0, 0]]))
    assert pooled.dtype == torch.float32
    assert pooled.tolist() == [[2.0, 3.0], [0.0, 0.0]]
