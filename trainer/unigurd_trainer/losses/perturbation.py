"""Inner maximisation: the perturbation of hidden states, within a ball around each token, that raises a loss most.

Everything after the hidden states is a callable `Tail`. It takes several versions of them at once, so that the terms of
a loss share one pass: hidden states [V, M, D] of V versions of M tokens give logits [V, N] of N texts.

Two rules move a perturbation along a gradient. `Ball` is virtual adversarial training, https://arxiv.org/abs/1704.03976:
from a random start so short that it only picks a direction, step onto the ball in the gradient's direction; further
steps take the gradient there. `Released` is what the public code of SMART and ALICE does. Its end is about 1 long by
token, whatever the activations, and its direction is nearly the random start's: for comparison only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

__all__ = ["Ball", "Found", "Norm", "Released", "Rule", "Tail", "ascend"]

Norm = Literal["inf", "2", "sign"]
Tail = Callable[[Tensor], Tensor]
"""Hidden states [V, M, D] to logits [V, N]."""

Loss = Callable[[Tensor], Tensor]
"""Logits [N] to losses [N]."""


class Rule(Protocol):
    """How a perturbation starts and moves."""

    def start(self, noise: Tensor) -> Tensor:
        """Turn standard normal noise [M, D] into where the ascent starts."""
        ...

    def move(self, delta: Tensor, gradient: Tensor) -> Tensor:
        """Move perturbations [V, M, D] along their gradients."""
        ...

    def at_random(self, noise: Tensor) -> Tensor:
        """Turn noise [M, D] into a perturbation without any ascent."""
        ...


@dataclass(frozen=True, slots=True)
class Ball:
    """Step onto the ball of a radius around each token, in the gradient's direction.

    `norm` is the one that measures the radius: ``inf`` (g / max|g|), ``2`` (g / |g|), or ``sign`` (the corner of the
    infinity ball, sign g). The start has the Euclidean length `xi`. A token without a gradient is not moved.
    """

    radius: Tensor | float
    norm: Norm = "inf"
    xi: float = 1e-3

    def start(self, noise: Tensor) -> Tensor:
        """Shorten noise to the length xi, token by token."""
        return self.xi * _unit(noise, "2")

    def move(self, delta: Tensor, gradient: Tensor) -> Tensor:
        """Step onto the ball; where the perturbation was does not matter."""
        return self.radius * _unit(gradient, self.norm)

    def at_random(self, noise: Tensor) -> Tensor:
        """Stretch noise to the radius."""
        return self.radius * _unit(noise, self.norm)


@dataclass(frozen=True, slots=True)
class Released:
    """The recipe of the public code: (d + eta g) / (max|d + eta g| + guard), from noise of deviation sigma.

    https://github.com/archinetai/vat-pytorch.
    """

    sigma: float = 1e-5
    eta: float = 1e-3
    guard: float = 1e-6

    def start(self, noise: Tensor) -> Tensor:
        """Scale noise down."""
        return self.sigma * noise

    def move(self, delta: Tensor, gradient: Tensor) -> Tensor:
        """Add a little of the gradient and divide each token by its largest entry."""
        moved = delta + self.eta * gradient
        return moved / (moved.abs().amax(-1, keepdim=True) + self.guard)

    def at_random(self, noise: Tensor) -> Tensor:
        """Return the start."""
        return self.start(noise)


@dataclass(frozen=True, slots=True)
class Found:
    """Perturbations `delta` [V, M, D] for V losses; `usable` [V] is false where the gradient was zero or not finite.

    The perturbation is zero there.
    """

    delta: Tensor
    usable: Tensor


def ascend(
    tail: Tail, hidden: Tensor, mask: Tensor, losses: Sequence[Loss], noise: Tensor, rule: Rule, steps: int = 1
) -> Found:
    """Find for each loss the perturbation of `hidden` [M, D] that raises it; tokens whose `mask` [M] is 0 stay.

    `noise` [M, D] is standard normal. Only perturbations get a gradient, so that no parameter's is touched. The first
    step is one pass for all losses, since they start at the same point, and one backward pass for each.
    """
    hidden, keep = hidden.detach(), mask.bool()[:, None]
    usable = torch.ones(len(losses), dtype=torch.bool, device=hidden.device)
    delta = torch.where(keep, rule.start(noise) if steps else rule.at_random(noise), 0.0)[None]
    for _ in range(steps if losses else 0):
        gradient = torch.where(keep, _gradients(tail, hidden, delta, losses), 0.0)
        size = gradient.abs().amax((1, 2))
        usable = usable & size.isfinite() & (size > 0)
        moved = rule.move(delta, gradient)
        delta = torch.where(usable[:, None, None] & keep, moved, 0.0)
    return Found(delta.expand(len(losses), -1, -1), usable)


def _gradients(tail: Tail, hidden: Tensor, delta: Tensor, losses: Sequence[Loss]) -> Tensor:
    """Gradient of each loss with respect to its perturbation, or to the only one: [V, M, D]."""
    delta = delta.detach().requires_grad_()
    logits = tail(hidden + delta)
    if len(delta) == len(losses):
        total = torch.stack([loss(row).sum() for loss, row in zip(losses, logits, strict=True)]).sum()
        return torch.autograd.grad(total, delta)[0]
    values = [loss(logits[0]).sum() for loss in losses]
    parts = [torch.autograd.grad(value, delta, retain_graph=value is not values[-1])[0] for value in values]
    return torch.cat(parts)


def _unit(vectors: Tensor, norm: Norm) -> Tensor:
    """Scale [..., D] to length 1 in a norm; zero stays zero. The largest entry goes first: squares could underflow."""
    largest = vectors.abs().amax(-1, keepdim=True)
    scaled = torch.where(largest > 0, vectors / largest, 0.0)
    if norm == "sign":
        return scaled.sign()
    if norm == "2":
        length: Tensor = torch.linalg.vector_norm(scaled, dim=-1, keepdim=True)
        return scaled / length.clamp(min=1.0)
    return scaled
