"""Alice: a label term and a virtual term, each at the perturbation of hidden states that is worst for it.

With f the rest of the model from a layer on, h the hidden states that enter it and z = f(h):

- label: max over |d| <= eps of CE(f(h + d), y), or CE(z, y) (``clean``);
- virtual: max over |d| <= eps of KL(z || f(h + d)); z is fixed in the ascent, and the loss is symmetric.

ALICE, https://arxiv.org/abs/2005.08156, perturbs the embeddings; ALICE++, https://aclanthology.org/2021.paclic-1.35,
a layer drawn at random for each step, the same for both terms.

Exact sharing: both terms start from one random point, so the first step of both ascents is one forward pass (with a
backward pass each), and their perturbed states go through f as one batch. The clean pass is the caller's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from unigurd_trainer.losses.bernoulli import bernoulli_kl, symmetric_kl
from unigurd_trainer.losses.perturbation import Found, Norm, Rule, Tail, ascend

__all__ = ["Alice", "alice", "radius"]


@dataclass(frozen=True, slots=True)
class Alice:
    """Mean label and virtual loss over the texts (scalars that descend), and the count of terms that were skipped."""

    label: Tensor
    virtual: Tensor
    skipped: Tensor


def alice(
    tail: Tail,
    hidden: Tensor,
    mask: Tensor,
    clean: Tensor,
    gold: Callable[[Tensor], Tensor],
    *,
    rule: Rule,
    generator: torch.Generator,
    label: Literal["adversarial", "clean", "off"] = "adversarial",
    virtual: bool = True,
    divergence: Literal["symmetric", "one-sided"] = "symmetric",
    steps: int = 1,
) -> Alice:
    """Compute both terms for hidden states [M, D] (`mask` [M] is 0 for padding) and their clean logits [N].

    `gold` gives the cross-entropy [N] of logits [N] with the labels. Gradients flow into `hidden` and into what `tail`
    uses, and through the clean logits where the divergence says so. A term whose gradient is zero or not finite counts
    0, and is skipped.
    """
    fixed, zero = clean.detach(), clean.new_zeros(())
    distance = symmetric_kl if divergence == "symmetric" else bernoulli_kl
    terms: dict[str, _Term] = {}
    if label == "adversarial":
        terms["label"] = _Term(gold, gold)
    if virtual:
        terms["virtual"] = _Term(lambda logits: bernoulli_kl(fixed, logits), lambda logits: distance(clean, logits))
    noise = torch.randn(hidden.shape, generator=generator, device=hidden.device, dtype=hidden.dtype)
    found = ascend(tail, hidden, mask, [term.ascent for term in terms.values()], noise, rule, steps)
    losses = dict(zip(terms, _at_worst(tail, hidden, list(terms.values()), found), strict=True))
    if label == "clean":
        losses["label"] = gold(clean).mean().to(zero.dtype)
    return Alice(losses.get("label", zero), losses.get("virtual", zero), (~found.usable).sum())


@dataclass(frozen=True, slots=True)
class _Term:
    """What a term climbs to find its perturbation, and what it descends there; both of logits [N] to losses [N]."""

    ascent: Callable[[Tensor], Tensor]
    descent: Callable[[Tensor], Tensor]


def _at_worst(tail: Tail, hidden: Tensor, terms: Sequence[_Term], found: Found) -> list[Tensor]:
    """Mean loss of each term at its perturbation, in one pass; 0 for a term that is to be skipped."""
    if not terms:
        return []
    logits = tail(hidden + found.delta)
    means = [term.descent(row).mean().to(row.dtype) for term, row in zip(terms, logits, strict=True)]
    return [mean * usable for mean, usable in zip(means, found.usable, strict=True)]


def radius(hidden: Tensor, mask: Tensor, share: float, norm: Norm) -> Tensor:
    """A radius relative to the size of hidden states [M, D], padding aside.

    Their mean absolute entry for ``inf`` and ``sign``, the mean Euclidean length of a token for ``2``.
    """
    states = hidden.detach()[mask.bool()]
    return share * (states.norm(dim=-1).mean() if norm == "2" else states.abs().mean())
