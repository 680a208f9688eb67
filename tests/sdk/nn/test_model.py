"""The model: policies once, texts often, the same logit however they are batched; and loading a base encoder."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from unigurd_sdk.errors import ModelIncompatible  # noqa: E402
from unigurd_sdk.nn.encoder import EncoderConfig  # noqa: E402
from unigurd_sdk.nn.model import (  # noqa: E402
    ModelConfig,
    load_base,
    prefix_rows,
)
from unigurd_sdk.tokenizer import pad_rows  # noqa: E402

LINES = ("no advice about my tax", "asking for a hotel", "only oven door", "lamp")
POLARITY = (0, 1, 2, 0)
LAYOUT = ((0, 1, 2), (3, 2, -1), (1, -1, -1))
TEXTS = ("tell me about my oven door", "query: hotel please", "zebra", "my tax now, my vat now")


@pytest.fixture
def pad(tiny_tokenizer):
    """Encode texts into tensors (ids, mask) [B, T]."""

    def make(texts, width=0):
        wrapped = [tiny_tokenizer.wrap(tiny_tokenizer.encode(text).ids) for text in texts]
        ids, mask = (torch.from_numpy(x) for x in pad_rows(wrapped, tiny_tokenizer.pad))
        more = max(width - ids.shape[1], 0)
        return torch.nn.functional.pad(ids, (0, more)), torch.nn.functional.pad(mask, (0, more))

    return make


def grouped(model, vectors, layout=LAYOUT):
    layout = torch.tensor(layout)
    return model.policies(vectors, torch.tensor(POLARITY)[layout.clamp(min=0)], layout)


@torch.no_grad()
def score(model, pad, texts=TEXTS, lines=LINES, layout=LAYOUT, width=0):
    """Logits [B, K] of all texts under all policies of the layout."""
    states = model.encode_texts(*pad(texts, width))
    policies = grouped(model, model.line_vectors(*pad(lines, width)), layout)
    columns = [model.decide(states, policies.rows(torch.full((len(texts),), k)))[0] for k in range(len(layout))]
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize("interaction", ["lines", "lines-read"])
def test_order_and_company_do_not_change_a_logit(make_model, pad, interaction):
    model = make_model(interaction, trained=True)
    logits = score(model, pad)
    assert torch.allclose(score(model, pad, layout=LAYOUT[::-1]).flip(1), logits, atol=1e-5)
    assert torch.allclose(score(model, pad, texts=TEXTS[::-1]).flip(0), logits, atol=1e-5)
    alone = torch.cat([score(model, pad, texts=(text,), layout=LAYOUT) for text in TEXTS])
    assert torch.allclose(alone, logits, atol=1e-5)
    assert logits.std() > 0.01


@pytest.mark.parametrize("interaction", ["lines", "lines-read"])
def test_padding_does_not_change_a_logit(make_model, pad, interaction):
    model = make_model(interaction, trained=True)
    wide = tuple((*row, -1, -1) for row in LAYOUT)
    assert torch.allclose(score(model, pad, layout=wide, width=40), score(model, pad), atol=1e-5)


@torch.no_grad()
def test_lines_and_texts_encoded_together_are_those_encoded_apart(make_model, pad):
    model = make_model(trained=True)
    vectors, states = model.encode_together([pad(LINES[:1]), pad(LINES[1:])], [pad(TEXTS[2:]), pad(TEXTS[:2])])
    assert torch.allclose(vectors, model.line_vectors(*pad(LINES)), atol=1e-5)
    for together, texts in zip(states, (TEXTS[2:], TEXTS[:2]), strict=True):
        apart = model.encode_texts(*pad(texts))
        assert torch.allclose(together.pooled, apart.pooled, atol=1e-5)
        assert torch.allclose(together.hidden[apart.mask.bool()], apart.hidden[apart.mask.bool()], atol=1e-5)


@torch.no_grad()
def test_line_vectors_have_length_one(make_model, pad):
    vectors = make_model().line_vectors(*pad(LINES))
    assert torch.allclose(vectors.norm(dim=-1), torch.ones(len(LINES)))


def test_untrained_on_any_base_it_ranks_by_similarity_and_polarity(make_model, pad):
    model = make_model()
    logits = score(model, pad, texts=LINES[1:3], layout=((0, 1, 2),))
    assert logits[1, 0] > logits[0, 0]


@torch.no_grad()
def test_decisions_are_made_in_float32_under_autocast_too(make_model, pad):
    model = make_model(trained=True)
    expected = score(model, pad)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = score(model, pad)
    assert logits.dtype == torch.float32
    assert torch.allclose(logits, expected, atol=0.3)


@torch.no_grad()
def test_a_prefix_holds_the_lines_of_its_policy_only(make_model, pad):
    model = make_model("prefix-lines", trained=True)
    ids, mask = pad(LINES)
    vectors, prefix = model.policy_prefix(ids, mask, torch.tensor(LAYOUT))
    assert torch.allclose(vectors, model.line_vectors(ids, mask), atol=1e-5)
    assert prefix.mask.sum(1).tolist() == [int(mask[[n for n in row if n >= 0]].sum()) for row in LAYOUT]
    text = pad(TEXTS[:1])
    answers = [model.encode_texts(*text, prefix_rows(prefix, torch.tensor([k]))).hidden for k in range(len(LAYOUT))]
    alone = model.policy_prefix(*pad(LINES[1:2]), torch.tensor([[0]]))[1]
    assert torch.allclose(answers[2], model.encode_texts(*text, alone).hidden, atol=1e-5)
    assert not torch.allclose(answers[0], answers[1], atol=1e-3)


@torch.no_grad()
def test_the_full_form_scores_one_sequence_without_its_padding(make_model, pad):
    model = make_model("full")
    logits = model.score_full([pad(TEXTS)])[0]
    assert logits.shape == (len(TEXTS),)
    assert torch.allclose(model.score_full([pad(TEXTS, 50)])[0], logits, atol=1e-5)


def test_a_configuration_survives_the_manifest():
    config = ModelConfig("prefix-lines", EncoderConfig(vocab_size=7, layer_norm_eps=1e-5), head_size=24, dropout=0.0)
    assert ModelConfig.from_flat(config.flat()) == config
    assert {type(value) for value in config.flat().values()} <= {int, float, str}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"interaction": "cross"}, ValueError, "cross.*lines-read"),
        ({"colour": "red"}, TypeError, "colour"),
        ({"encoder.colour": "red"}, TypeError, "colour"),
    ],
)
def test_a_foreign_configuration_is_an_error(change, error, message):
    with pytest.raises(error, match=message):
        ModelConfig.from_flat(ModelConfig().flat() | change)


@pytest.fixture
def weights(tiny_base):
    return load_file(tiny_base / "model.safetensors")


def test_the_base_is_taken_over_and_texts_start_with_the_policies_token_type(make_model, weights):
    model = make_model(seed=3)
    state = model.bert.state_dict()
    types = state.pop("embeddings.token_type_embeddings.weight")
    assert torch.equal(types[0], weights["embeddings.token_type_embeddings.weight"][0])
    assert torch.equal(types[1], types[0])
    assert all(torch.equal(value, weights[key]) for key, value in state.items())


def test_names_may_start_with_bert_and_the_given_weights_stay_as_they_are(make_model, weights):
    model = make_model()
    before = weights["embeddings.token_type_embeddings.weight"].clone()
    load_base(model, {f"bert.{key}": value for key, value in weights.items()} | {"cls.bias": torch.zeros(1)})
    assert torch.equal(weights["embeddings.token_type_embeddings.weight"], before)


def test_weights_that_are_missing_are_named(make_model, weights):
    model = make_model()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    del weights["encoder.layer.1.output.dense.bias"]
    with pytest.raises(ModelIncompatible, match=r"encoder\.layer\.1\.output\.dense\.bias"):
        load_base(model, weights)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_configuration_from_before_roberta_reads_from_the_first_position():
    old = ModelConfig().flat()
    assert old.pop("encoder.position_offset") == 0
    assert ModelConfig.from_flat(old) == ModelConfig()
