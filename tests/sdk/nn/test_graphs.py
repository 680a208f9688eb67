"""The two graphs that are exported: the same logits as the model, for one policy or many, cached or not."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from unigurd_sdk.nn.graphs import POLICY_INPUTS, STATE, TEXT_INPUTS, PolicyGraph, TextGraph  # noqa: E402
from unigurd_sdk.policy import Policy  # noqa: E402
from unigurd_sdk.runtime.base import PolicyState, stack_states  # noqa: E402
from unigurd_sdk.template import policy_lines  # noqa: E402
from unigurd_sdk.tokenizer import pad_rows  # noqa: E402

POLICIES = (
    Policy(name="a", description="No tax. Only vat.", allowed=["my lamp"], disallowed=["asking for a hotel", "loan"]),
    Policy(name="b", description="Only oven door please"),
    Policy(name="c", description="No zebra", disallowed=["stripes " * 30]),
)
TEXTS = ("query: tell me about my tax", "document: hotel now", "response: zebra stripes, zebra stripes", "oven")


@pytest.fixture(params=["lines", "lines-read"])
def model(request, make_model):
    return make_model(request.param, trained=True)


@pytest.fixture
def texts(tiny_tokenizer):
    rows = [tiny_tokenizer.wrap(tiny_tokenizer.encode(text).ids) for text in TEXTS]
    return [torch.from_numpy(x) for x in pad_rows(rows, tiny_tokenizer.pad)]


@torch.no_grad()
def encode(model, tokenizer, policy):
    """Encode a policy as a runtime does."""
    batch = tokenizer.encode_lines(policy_lines(policy), 16)
    tensors = PolicyGraph(model)(*(torch.from_numpy(getattr(batch, name)) for name in POLICY_INPUTS))
    return PolicyState({name: tensor.numpy() for name, tensor in zip(STATE, tensors, strict=True)})


@torch.no_grad()
def score(model, texts, states):
    """Score texts as a runtime does."""
    stacked = stack_states(states)
    return TextGraph(model)(*texts, *(torch.from_numpy(stacked[name]) for name in TEXT_INPUTS[2:]))


def test_a_state_has_a_row_for_the_null_line_and_each_line(model, tiny_tokenizer):
    sizes = [len(encode(model, tiny_tokenizer, policy).tensors["valence"]) for policy in POLICIES]
    assert sizes[:2] == [1 + 5, 1 + 1]
    assert sizes[2] > 1 + 2  # the long line became several


def test_many_policies_at_once_are_each_of_them_alone(model, tiny_tokenizer, texts):
    states = [encode(model, tiny_tokenizer, policy) for policy in POLICIES]
    together = score(model, texts, states)
    assert together.shape == (len(TEXTS), len(POLICIES))
    alone = torch.cat([score(model, texts, [state]) for state in states], dim=1)
    assert torch.allclose(together, alone, atol=1e-5)
    assert together.std() > 0.01


def test_order_and_company_do_not_change_a_logit(model, tiny_tokenizer, texts):
    states = [encode(model, tiny_tokenizer, policy) for policy in POLICIES]
    together = score(model, texts, states)
    assert torch.allclose(score(model, texts, states[::-1]).flip(1), together, atol=1e-5)
    assert torch.allclose(score(model, [x.flip(0) for x in texts], states).flip(0), together, atol=1e-5)
    last = [x[-1:, :3] for x in texts]
    assert torch.allclose(score(model, last, states), together[-1:], atol=1e-5)


@torch.no_grad()
def test_the_graphs_compute_what_training_computes(model, tiny_tokenizer, texts):
    policy = POLICIES[0]
    batch = tiny_tokenizer.encode_lines(policy_lines(policy), 16)
    vectors = model.line_vectors(torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask))
    layout = torch.arange(len(vectors))[None]
    lines = model.policies(vectors, torch.from_numpy(batch.polarity)[None], layout)
    logits, _ = model.decide(model.encode_texts(*texts), lines.rows(torch.zeros(len(TEXTS), dtype=torch.long)))
    graph = score(model, texts, [encode(model, tiny_tokenizer, policy)])
    assert torch.allclose(graph[:, 0], logits, atol=1e-5)
