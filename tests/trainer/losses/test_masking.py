"""Masking hides the right tokens, in the right shares, the same way every time; the head starts at chance."""

from __future__ import annotations

from math import log

import pytest

torch = pytest.importorskip("torch")

from unigurd_trainer.losses.masking import Masking, generator_of, seed_of  # noqa: E402
from unigurd_trainer.losses.mlm import MlmHead, mlm_loss  # noqa: E402

MASK, VOCABULARY = 4, 1000
ORDINARY = torch.arange(VOCABULARY) >= 10


def rows(lengths, seed=0):
    """Rows with a start (5) and an end (6) token and padding (0) behind."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(10, VOCABULARY, (len(lengths), max(lengths)), generator=generator)
    lengths = torch.tensor(lengths)[:, None]
    places = torch.arange(ids.shape[1])
    ids[:, 0] = 5
    ids = torch.where(places == lengths - 1, 6, ids)
    return torch.where(places < lengths, ids, 0), (places < lengths).long()


def masked(ids, mask, *seed, share=0.15):
    masking = Masking(MASK, ORDINARY, share)
    generator = generator_of(*seed)
    chosen = masking.choose(ids, mask, generator)
    return chosen, masking.hide(ids, chosen, generator)


@pytest.mark.parametrize("share", [0.05, 0.15, 0.4])
def test_the_share_of_each_rows_ordinary_tokens_is_chosen_and_one_at_least(share):
    ids, mask = rows([3, 4, 9, 22, 102, 102])
    chosen, _ = masked(ids, mask, 0, share=share)
    ordinary = [1, 2, 7, 20, 100, 100]
    assert chosen.sum(1).tolist() == [max(1, round(share * count)) for count in ordinary]
    assert not chosen[ids < 10].any()


def test_a_row_without_an_ordinary_token_is_left_alone():
    ids, mask = rows([2, 5])
    chosen, hidden = masked(ids, mask, 0)
    assert chosen.sum(1).tolist() == [0, 1]
    assert torch.equal(hidden[0], ids[0])


def test_of_the_chosen_80_are_masked_10_replaced_and_10_kept():
    ids, mask = rows([512] * 400)
    chosen, hidden = masked(ids, mask, 0)
    count = int(chosen.sum())
    assert count == pytest.approx(0.15 * 510 * 400, rel=0.01)
    assert torch.equal(hidden[~chosen], ids[~chosen])
    kinds = [hidden[chosen] == MASK, hidden[chosen] == ids[chosen]]
    shares = [float(kind.float().mean()) for kind in kinds]
    assert shares == pytest.approx([0.8, 0.1], abs=0.01)
    replaced = hidden[chosen][~kinds[0] & ~kinds[1]]
    assert ORDINARY[replaced].all()
    assert len(replaced.unique()) > 900


def test_any_ordinary_token_may_be_chosen():
    ids, mask = rows([12])
    chosen = torch.stack([masked(ids, mask, seed)[0][0] for seed in range(300)]).float().mean(0)
    assert torch.equal(chosen > 0, ORDINARY[ids[0]])
    assert chosen[1:11].tolist() == pytest.approx([0.2] * 10, abs=0.1)


def test_the_same_seed_and_step_mask_the_same_and_others_otherwise():
    ids, mask = rows([40] * 8)
    one, two = (masked(ids, mask, "mask", 3, 17) for _ in range(2))
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])
    for other in (("mask", 3, 18), ("mask", 4, 17)):
        assert not torch.equal(masked(ids, mask, *other)[0], one[0])


def test_seeds_do_not_depend_on_the_process():
    assert seed_of("mask", 0, 1) == 4449618753967986708


@pytest.mark.parametrize("transform", [True, False])
def test_the_head_has_the_word_embeddings_transposed_and_none_of_its_own(transform):
    words = torch.nn.Parameter(torch.randn(50, 8))
    head = MlmHead(words, transform=transform)
    names = {name for name, _ in head.named_parameters()}
    extra = {"dense.weight", "dense.bias", "LayerNorm.weight", "LayerNorm.bias"} if transform else set()
    assert names == {"bias"} | extra
    hidden = torch.randn(3, 8)
    head.bias.data.normal_()
    if not transform:
        assert torch.allclose(head(hidden, words), hidden @ words.T + head.bias)
    mlm_loss(head, hidden, words, torch.tensor([1, 2, 3])).backward()
    assert words.grad.abs().sum() > 0


@pytest.mark.parametrize("scale", [0.02, 1.0, 5.0])
def test_the_first_loss_is_that_of_a_guess_whatever_the_embeddings(scale):
    torch.manual_seed(0)
    words = scale * torch.randn(30522, 64)
    targets = torch.randint(30522, (200,))
    loss = mlm_loss(MlmHead(words), torch.randn(200, 64), words, targets)
    assert loss.item() == pytest.approx(log(30522), abs=0.3)
