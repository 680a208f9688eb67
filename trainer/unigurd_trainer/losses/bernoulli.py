"""Cross-entropy and divergence of Bernoulli distributions that are given by logits.

In float64 whatever comes in: a divergence is of second order in the difference of the logits, so for close ones most
digits of its terms cancel. There is one logit a text, so this costs nothing.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid

__all__ = ["bernoulli_kl", "cross_entropy", "symmetric_kl"]


def bernoulli_kl(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q) in nats of the distributions with logits p and q, element by element; finite for any finite logit."""
    p, q = p.double(), q.double()
    return p.sigmoid() * (logsigmoid(p) - logsigmoid(q)) + (-p).sigmoid() * (logsigmoid(-p) - logsigmoid(-q))


def symmetric_kl(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q) + KL(q || p), each with its first argument held fixed, as SMART descends it.

    https://arxiv.org/abs/1911.03437; https://github.com/namisan/mt-dnn (`SymKlCriterion`).
    """
    return bernoulli_kl(p.detach(), q) + bernoulli_kl(q.detach(), p)


def cross_entropy(logits: Tensor, labels: Tensor, pos_weight: float = 1.0) -> Tensor:
    """Cross-entropy in nats of labels in [0, 1], element by element; those that violate count `pos_weight` times."""
    logits, labels = logits.double(), labels.double()
    return -pos_weight * labels * logsigmoid(logits) - (1 - labels) * logsigmoid(-logits)
