"""Bernoulli losses: right where they are easy to compute, and finite and exact where they are not."""

from __future__ import annotations

from math import log

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from unigurd_trainer.losses.bernoulli import bernoulli_kl, cross_entropy, symmetric_kl  # noqa: E402

LOGITS = [-30.0, -2.0, -0.1, 0.0, 0.5, 3.0, 30.0]


def two_classes(logits):
    """Log-probabilities [N, 2] of the two classes that one logit stands for."""
    return torch.stack((torch.zeros_like(logits), logits), dim=-1).log_softmax(-1)


@pytest.mark.parametrize("p", LOGITS)
def test_it_is_the_divergence_of_the_two_class_distributions(p):
    q = torch.tensor(LOGITS, dtype=torch.float64)
    p = torch.full_like(q, p)
    expected = functional.kl_div(two_classes(q), two_classes(p), reduction="none", log_target=True).sum(-1)
    assert torch.allclose(bernoulli_kl(p, q), expected, rtol=1e-9, atol=1e-15)


def test_the_symmetric_one_is_the_sum_of_both_directions_and_each_side_descends_as_the_second_argument():
    p, q = (torch.tensor([x], dtype=torch.float64, requires_grad=True) for x in (0.3, -1.2))
    loss = symmetric_kl(p, q)
    assert loss.item() == pytest.approx(bernoulli_kl(p, q).item() + bernoulli_kl(q, p).item(), abs=1e-15)
    loss.backward()
    gap = p.sigmoid() - q.sigmoid()  # the gradient of KL(a || b) with respect to the logit of b is b - a
    assert q.grad.item() == pytest.approx(-gap.item(), abs=1e-15)
    assert p.grad.item() == pytest.approx(gap.item(), abs=1e-15)


@pytest.mark.parametrize("size", [50.0, 1e3, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_finite_with_finite_gradients_for_huge_logits(size, dtype):
    pairs = torch.tensor([(a * size, b * size) for a in (-1, 0, 1) for b in (-1, 0, 1)], dtype=dtype)
    p, q = (column.clone().requires_grad_() for column in pairs.T)
    for loss in (bernoulli_kl(p, q), symmetric_kl(p, q), cross_entropy(q, (p.detach() > 0).float())):
        assert loss.isfinite().all()
        assert (loss >= 0).all()
        loss.sum().backward(retain_graph=True)
    assert p.grad.isfinite().all()
    assert q.grad.isfinite().all()
    assert bernoulli_kl(torch.tensor(size), torch.tensor(-size)).item() == pytest.approx(size)


def test_close_logits_lose_no_digits():
    p = torch.tensor(0.7, dtype=torch.float32)
    q = p + 2**-20
    second_order = 0.5 * float(p.sigmoid() * (-p).sigmoid()) * (q - p).item() ** 2
    assert bernoulli_kl(p, q).item() == pytest.approx(second_order, rel=1e-3)


@pytest.mark.parametrize("weight", [1.0, 3.5])
def test_cross_entropy_is_that_of_torch(weight):
    logits = torch.tensor(LOGITS, dtype=torch.float64)
    for labels in (torch.zeros(7), torch.ones(7), torch.full((7,), 0.3)):
        labels = labels.double()
        expected = functional.binary_cross_entropy_with_logits(
            logits, labels, reduction="none", pos_weight=torch.tensor(weight)
        )
        assert torch.allclose(cross_entropy(logits, labels, weight), expected, atol=1e-12)
    assert cross_entropy(torch.zeros(1), torch.ones(1)).item() == pytest.approx(log(2))
