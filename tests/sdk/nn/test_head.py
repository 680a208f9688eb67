"""The vote head: matching lines decide by their polarity, from the first step on, and nothing else leaks in."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from unigurd_sdk.nn.head import NULL_POLARITY, HeadConfig, VoteHead  # noqa: E402

SIZE = 16
DESCRIPTION, ALLOWED, DISALLOWED = 0, 1, 2
AXES = torch.eye(SIZE)


def build(reads=True, trained=False, **sizes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = VoteHead(HeadConfig(hidden_size=SIZE, size=24, heads=6, reads=reads, max_lines=8, **sizes)).eval()
        if trained:
            for parameter in head.parameters():
                parameter.data += 0.1 * torch.randn_like(parameter)
    return head


@torch.no_grad()
def judge(head, text, lines, polarity, mask=None, hidden=None, text_mask=None):
    """Logits [N] and weights [N, 1 + L] of unit texts [N, D] under one policy of lines [L, D]."""
    count = len(text)
    polarity = torch.tensor(polarity)
    mask = torch.ones_like(polarity) if mask is None else torch.tensor(mask)
    states = head.policy(lines[None], polarity[None], mask[None]).rows(torch.zeros(count, dtype=torch.long))
    hidden = text[:, None].repeat(1, 3, 1) if hidden is None else hidden
    text_mask = torch.ones(hidden.shape[:2], dtype=torch.long) if text_mask is None else text_mask
    logits, weights = head(hidden, text_mask, text, states)
    return logits, weights.exp()


@pytest.mark.parametrize("reads", [True, False])
def test_untrained_it_ranks_what_a_disallowed_line_says_above_what_an_allowed_line_says(reads):
    logits, _ = judge(build(reads), AXES[[1, 2, 9]], AXES[:3], [DESCRIPTION, ALLOWED, DISALLOWED])
    allowed, disallowed, unrelated = logits.tolist()
    assert allowed < 0 < disallowed
    assert allowed < unrelated < disallowed


def test_untrained_the_closer_line_has_the_larger_weight():
    text = torch.nn.functional.normalize(AXES[[1]] * 0.8 + AXES[[2]] * 0.6, dim=-1)
    _, weights = judge(build(), text, AXES[:3], [DESCRIPTION, ALLOWED, DISALLOWED])
    assert weights.argmax().item() == 1 + 1
    assert weights[0, 2] > weights[0, 3] > weights[0, 1]


def test_weights_are_a_distribution_over_the_null_line_and_the_lines():
    _, weights = judge(build(trained=True), AXES[:5], AXES[:3], [0, 1, 2])
    assert weights.shape == (5, 4)
    assert torch.allclose(weights.sum(1), torch.ones(5))


def test_the_null_line_decides_where_nothing_matches_and_leans_to_safe():
    logits, weights = judge(build(), AXES[[9, 2]], AXES[:3], [DESCRIPTION, ALLOWED, DISALLOWED])
    assert weights[0].argmax().item() == 0
    assert weights[0, 0] > 0.7
    assert weights[1, 0] < 0.01
    assert logits[0] < 0


def test_a_scope_can_teach_the_null_line_to_violate():
    head = build()
    head.valence.data[NULL_POLARITY] = 3.0
    logits, _ = judge(head, AXES[[9, 1]], AXES[:2], [DESCRIPTION, ALLOWED])
    assert logits[0] > 0 > logits[1]


def test_a_policy_of_a_description_alone_is_judged():
    logits, weights = judge(build(), AXES[[0, 9]], AXES[:1], [DESCRIPTION])
    assert weights.shape == (2, 2)
    assert logits[0] > logits[1]


@pytest.mark.parametrize("trained", [False, True])
def test_lines_that_are_padding_change_nothing_and_weigh_nothing(trained):
    head, texts = build(trained=trained), AXES[:4]
    logits, weights = judge(head, texts, AXES[:3], [0, 1, 2])
    padded = torch.cat((AXES[:3], torch.zeros(2, SIZE)))
    wide_logits, wide_weights = judge(head, texts, padded, [0, 1, 2, 0, 0], mask=[1, 1, 1, 0, 0])
    assert torch.allclose(logits, wide_logits, atol=1e-5)
    assert torch.allclose(weights, wide_weights[:, :4], atol=1e-5)
    assert wide_weights[:, 4:].max() == 0


def test_tokens_that_are_padding_change_nothing():
    head = build(trained=True)
    hidden = torch.randn(2, 4, SIZE, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    logits, _ = judge(head, AXES[:2], AXES[:3], [0, 1, 2], hidden=hidden, text_mask=mask)
    hidden[1, 2:] = 1000.0
    again, _ = judge(head, AXES[:2], AXES[:3], [0, 1, 2], hidden=hidden, text_mask=mask)
    assert torch.allclose(logits, again, atol=1e-5)


@pytest.mark.parametrize(("reads", "differs"), [(True, True), (False, False)])
def test_the_texts_tokens_matter_only_to_a_head_that_reads(reads, differs):
    head = build(reads, trained=True)
    generator = torch.Generator().manual_seed(0)
    one, two = (torch.randn(1, 4, SIZE, generator=generator) for _ in range(2))
    logits = [judge(head, AXES[:1], AXES[:3], [0, 1, 2], hidden=hidden)[0] for hidden in (one, two)]
    assert torch.allclose(*logits, atol=1e-5) is not differs


def test_texts_do_not_see_each_other():
    head = build(trained=True)
    together, _ = judge(head, AXES[:6], AXES[:3], [0, 1, 2])
    alone = torch.cat([judge(head, AXES[i : i + 1], AXES[:3], [0, 1, 2])[0] for i in range(6)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_more_lines_than_places_are_all_read():
    head = build()
    lines = AXES[:12]
    logits, weights = judge(head, AXES[[11, 9]], lines, [ALLOWED] * 11 + [DISALLOWED])
    assert weights[0].argmax().item() == 12
    assert logits[0] > 0 > logits[1]


def test_the_valence_of_a_line_stays_between_minus_one_and_one():
    head = build(trained=True)
    head.valence.data *= 1000
    states = head.policy(AXES[None, :3], torch.tensor([[0, 1, 2]]), torch.ones(1, 3, dtype=torch.long))
    assert states.valence.shape == states.mask.shape == (1, 4)
    assert states.valence.abs().max() <= 1
    assert torch.sign(states.valence[0, 1:]).tolist() == [1, -1, 1]


def test_dropout_is_for_training_only():
    head = build(trained=True, dropout=0.5)
    one, two = (judge(head, AXES[:2], AXES[:3], [0, 1, 2])[0] for _ in range(2))
    assert torch.equal(one, two)
    head.train()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        assert not torch.equal(judge(head, AXES[:2], AXES[:3], [0, 1, 2])[0], one)
