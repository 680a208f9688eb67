"""The loss of a pretraining step: L = mlm * L_MLM + alice * L_Alice + classification * L_cls (paper, equation 1).

Classification is the verdict and line loss of `objective`. With the other weights at 0 nothing else is computed, and
the loss is that of `objective` to the bit. In steps with Alice, the pass of the classification is cut at the drawn
layer and also serves as the clean side of the virtual term.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from unigurd_sdk.nn.model import GuardModel
from unigurd_trainer.batching import Batch
from unigurd_trainer.errors import RecipeError, TrainerError
from unigurd_trainer.losses.alice import CleanPass, alice
from unigurd_trainer.losses.bernoulli import cross_entropy
from unigurd_trainer.losses.cuts import Cut, Outputs, cut
from unigurd_trainer.losses.masked import masked_states
from unigurd_trainer.losses.masking import generator_of, seed_of
from unigurd_trainer.losses.mlm import MlmHead, mlm_loss
from unigurd_trainer.objective import Losses, classification, objective
from unigurd_trainer.recipe import GipRecipe, LossRecipe, PerturbationRecipe

__all__ = ["layers_of", "not_finite", "require_sane", "total_loss"]

EXPLODED = 1e3
"""An Alice term this many times the classification loss (or the loss of a coin) ends the run."""


def total_loss(model: GuardModel, head: MlmHead | None, batch: Batch, recipe: GipRecipe, step: int) -> Losses:
    """Compute the loss of a step; its random choices depend on the recipe's seed and the step.

    Of a part of a step it is a share, such that the shares of all parts add up to the step's loss and values.

    Raises `TrainerError` if the recipe masks tokens but there is no head.
    """
    loss = recipe.loss
    if loss.alice and step % loss.perturbation.every == 0:
        losses = _with_alice(model, batch, recipe, step)
    else:
        plain = objective(model, batch, **_classified(recipe))
        losses = plain if loss.classification == 1 else replace(plain, total=loss.classification * plain.total)
    if batch.masked is None:
        return losses
    if head is None:
        raise TrainerError("The batch has masked tokens, but there is no head to find them again.")
    words = model.bert.embeddings.word_embeddings.weight
    share = batch.own.hidden / max(batch.totals.hidden, 1)
    term = share * mlm_loss(head, masked_states(model, batch.masked, batch.layout), words, batch.masked.targets)
    others = {"mlm_loss": float(term.detach()), **losses.others}
    return replace(losses, total=losses.total + loss.mlm * term, others=others)


def _classified(recipe: GipRecipe) -> dict[str, float]:
    optim, loss = recipe.optim, recipe.loss
    weights = {"pos_weight": loss.pos_weight, "noise": loss.noise}
    return {"line_loss": optim.line_loss, "smoothing": optim.smoothing} | weights


def _with_alice(model: GuardModel, batch: Batch, recipe: GipRecipe, step: int) -> Losses:
    """Classification and both terms of Alice on one clean pass."""
    loss = recipe.loss
    layer = random.Random(seed_of("layer", recipe.seed, step)).choice(layers_of(model, loss.perturbation))
    halves = cut(model, batch, layer)
    outputs = halves.rest(halves.hidden[None])
    firsts = [(logits[0], None if weights is None else weights[0]) for logits, weights in outputs]
    scored = [(bucket, *first) for bucket, first in zip(batch.texts, firsts, strict=True)]
    losses = classification(scored, batch, **_classified(recipe))
    generator = generator_of("perturbation", recipe.seed, step, device=halves.hidden.device)
    term = alice(_clean_pass(model, halves, outputs, batch, loss), loss.perturbation, generator)
    share = batch.examples / batch.totals.examples
    weighted = share * (term.label + loss.perturbation.virtual * term.virtual)
    values = torch.stack((term.label, term.virtual, term.skipped.to(term.label.dtype))).detach().tolist()
    names = ("alice_label", "alice_virtual", "alice_skipped", "alice_layer")
    others = {name: share * value for name, value in zip(names, [*values, layer], strict=True)}
    return replace(losses, total=loss.classification * losses.total + loss.alice * weighted, others=others)


def _clean_pass(model: GuardModel, halves: Cut, outputs: Outputs, batch: Batch, loss: LossRecipe) -> CleanPass:
    """What was computed on a cut batch; with `eval_in_vat` its logits are computed again, without dropout."""
    labels, switch = torch.cat([bucket.labels for bucket in batch.texts]), loss.perturbation.eval_in_vat

    def tail(hidden: Tensor) -> Tensor:
        with _evaluating(model) if switch else nullcontext():
            return _logits(halves.rest(hidden))

    logits = tail(halves.hidden[None])[0] if switch else _logits(outputs)[0]
    gold = partial(cross_entropy, labels=labels, pos_weight=loss.pos_weight)
    return CleanPass(halves.hidden, halves.mask, logits, tail, gold)


def _logits(outputs: Outputs) -> Tensor:
    """Logits [V, N] of all texts, bucket by bucket."""
    return torch.cat([logits for logits, _ in outputs], dim=1)


@contextmanager
def _evaluating(model: GuardModel) -> Iterator[None]:
    """Switch dropout off for a while."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def layers_of(model: GuardModel, spec: PerturbationRecipe) -> Sequence[int]:
    """The layers that a perturbation may enter; one that the encoder has not raises `RecipeError`."""
    count = model.config.encoder.num_hidden_layers
    named = {"random": range(count), "embed": range(1), "top": range(count - spec.top_m, count)}
    layers = named[spec.layers] if isinstance(spec.layers, str) else spec.layers
    if min(layers) < 0 or max(layers) >= count:
        raise RecipeError(
            f"loss.perturbation names layers {min(layers)} to {max(layers)}; the encoder has 0 to {count - 1}"
        )
    return layers


def not_finite(what: str, step: int) -> str:
    """What to say of a run that diverged; the state on disk is older than the step, so nothing of it is spoilt."""
    return f"The {what} is not finite at step {step}. Lower the rates in the recipe and start in a new folder."


def require_sane(losses: Losses, step: int) -> None:
    """Raise `TrainerError` that names the term and the step where a term is not finite or Alice's has exploded."""
    terms = {"verdict_loss": losses.verdict, "line_loss": losses.line, **losses.others}
    bound = EXPLODED * max(losses.verdict, math.log(2))
    for name, value in terms.items():
        if not math.isfinite(value):
            raise TrainerError(not_finite(name, step))
        if name.startswith("alice") and value > bound:
            raise TrainerError(
                f"The {name} is {value:.3g} at step {step}, the verdict_loss {losses.verdict:.3g}. Lower the radius "
                "(loss.perturbation.eps_rel) or the rates in the recipe, and start in a new folder."
            )
