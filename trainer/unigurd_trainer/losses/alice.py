"""Alice: a label term and a virtual term, each at the perturbation of hidden states that is worst for it.

With f the rest of the model from a layer on, h the hidden states that enter it and z = f(h):

- label: max over |d| <= eps of CE(f(h + d), y), or CE(z, y) (``clean``);
- virtual: max over |d| <= eps of KL(z || f(h + d)); z is fixed in the ascent, and the loss is symmetric.

ALICE, https://arxiv.org/abs/2005.08156, perturbs the embeddings; ALICE++, https://aclanthology.org/2021.paclic-1.35,
a layer drawn at random for each step, the same for both terms.

Shared exactly: the clean pass is the classification's own; both terms start from one random point, so that the first
step of both ascents is one forward pass (with a backward pass each); and the perturbed states of both go through f as
one batch. The ascent is in float32, also under autocast, where its short start would be rounded away; that of the
virtual term then needs clean logits in float32 of its own.

With `shared` the virtual term is taken at the label term's perturbation, for about half of the passes. With one logit z
a text, the gradients of both terms are multiples of dz/dh. So for the tokens of texts the two perturbations are the
same but for a sign, which does not change the divergence to second order; only the weights with which texts move a
policy line that they have in common differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unigurd_trainer.losses.bernoulli import bernoulli_kl, symmetric_kl
from unigurd_trainer.losses.perturbation import Ball, Found, Norm, Released, Rule, Tail, ascend
from unigurd_trainer.recipe import PerturbationRecipe

__all__ = ["Alice", "CleanPass", "alice", "radius"]

Loss = Callable[[Tensor], Tensor]
"""Logits [N] to losses [N]."""


@dataclass(frozen=True, slots=True)
class CleanPass:
    """A pass without perturbation, and what can be done from the layer on.

    Attributes:
        hidden: Hidden states [M, D] that enter the layer.
        mask: [M], 0 for padding.
        logits: [N], one a text.
        tail: The rest of the model.
        gold: Cross-entropy [N] of logits [N] with the labels.
    """

    hidden: Tensor
    mask: Tensor
    logits: Tensor
    tail: Tail
    gold: Loss


@dataclass(frozen=True, slots=True)
class Alice:
    """Mean label and virtual loss over the texts (scalars that descend), and the count of ascents that were skipped."""

    label: Tensor
    virtual: Tensor
    skipped: Tensor


def alice(clean: CleanPass, spec: PerturbationRecipe, generator: torch.Generator) -> Alice:
    """Compute both terms.

    Gradients flow into the hidden states and into what the tail uses, and through the clean logits where the divergence
    says so. A term whose ascent has a gradient that is zero or not finite counts 0, and is skipped.
    """
    zero, distance = clean.logits.new_zeros(()), symmetric_kl if spec.divergence == "symmetric" else bernoulli_kl
    wanted = {"label": spec.label == "adversarial", "virtual": spec.virtual > 0}
    names = [name for name, on in wanted.items() if on]
    losses, skipped = {"label": zero, "virtual": zero}, zero
    if names:
        found = _search(clean, spec, names[:1] if spec.shared else names, generator)
        descents: dict[str, Loss] = {"label": clean.gold, "virtual": lambda logits: distance(clean.logits, logits)}
        logits = clean.tail(clean.hidden + found.delta).expand(len(names), -1)
        for name, row, usable in zip(names, logits, found.usable.expand(len(names)), strict=True):
            losses[name] = descents[name](row).mean().to(zero.dtype) * usable
        skipped = (~found.usable).sum()
    if spec.label == "clean":
        losses["label"] = clean.gold(clean.logits).mean().to(zero.dtype)
    return Alice(losses["label"], losses["virtual"], skipped)


def _search(clean: CleanPass, spec: PerturbationRecipe, names: Sequence[str], generator: torch.Generator) -> Found:
    """Find the perturbation of each of the terms, in float32 at least."""
    device = clean.hidden.device
    rounded = torch.is_autocast_enabled(device.type)
    with torch.autocast(device.type, enabled=False):
        hidden, fixed = clean.hidden.detach(), clean.logits.detach()
        hidden = hidden if hidden.dtype == torch.float64 else hidden.float()
        if rounded and "virtual" in names:
            with torch.no_grad():
                fixed = clean.tail(hidden[None])[0]
        ascents: dict[str, Loss] = {"label": clean.gold, "virtual": lambda logits: bernoulli_kl(fixed, logits)}
        noise = torch.randn(hidden.shape, generator=generator, device=device, dtype=hidden.dtype)
        rule = _rule(spec, hidden, clean.mask)
        return ascend(clean.tail, hidden, clean.mask, [ascents[name] for name in names], noise, rule, spec.ascent)


def _rule(spec: PerturbationRecipe, hidden: Tensor, mask: Tensor) -> Rule:
    if spec.mode == "released":
        return Released()
    return Ball(radius(hidden, mask, spec.eps_rel, spec.norm) if spec.eps is None else spec.eps, spec.norm, spec.xi)


def radius(hidden: Tensor, mask: Tensor, share: float, norm: Norm) -> Tensor:
    """A radius relative to the size of hidden states [M, D], padding aside.

    Their mean absolute entry for ``inf`` and ``sign``, the mean Euclidean length of a token for ``2``.
    """
    states = hidden.detach()
    sizes: Tensor = torch.linalg.vector_norm(states, dim=-1) if norm == "2" else states.abs().mean(-1)
    return share * (sizes * mask).sum() / mask.sum()
