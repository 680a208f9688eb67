"""The classification objective: a verdict loss for every text, and a line loss where the matched line is known.

Verdict: binary cross-entropy of the logit. Line: cross-entropy of the vote weights against the line that the text was
drawn from (for a composed policy the composer knows it), or against the null line and the description if no behaviour
matches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from unigurd_sdk.nn.head import LineStates
from unigurd_sdk.nn.model import GuardModel, TextStates, prefix_rows
from unigurd_trainer.batching import Batch, TextBucket, widened_lines
from unigurd_trainer.joint import joint_rows

Scores = tuple[TextBucket, Tensor, Tensor | None]
"""A bucket of B texts, its logits [B] and line log-weights [B, 1 + L]."""


@dataclass(frozen=True, slots=True)
class Losses:
    """Sums over a batch: the `total` to descend (a tensor), and for the log the mean of each term.

    `others` are the terms beyond verdict and line, by the name that the log has for them.
    """

    total: Tensor
    verdict: float
    line: float
    others: Mapping[str, float] = field(default_factory=dict)


def autocast(precision: str, device: str = "cpu") -> AbstractContextManager[object]:
    """Linear layers in bfloat16 (attention stays in float32, see the encoder), or nothing for fp32."""
    return torch.autocast(device, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


def forward(model: GuardModel, batch: Batch) -> Iterator[Scores]:
    """Score the batch: for each bucket its logits [B] and line log-weights [B, 1 + L] (None for ``full``)."""
    if model.config.interaction == "full":
        scores = model.score_full([joint_rows(batch, bucket) for bucket in batch.texts])
        yield from ((bucket, logits, None) for bucket, logits in zip(batch.texts, scores, strict=True))
        return
    policies, texts = _encode(model, batch)
    for bucket, states in zip(batch.texts, texts, strict=True):
        yield bucket, *model.decide(states, policies.rows(bucket.policy))


def _encode(model: GuardModel, batch: Batch) -> tuple[LineStates, Iterable[TextStates]]:
    """Encode each distinct policy line and each text of the batch once."""
    if model.config.interaction == "prefix-lines":
        vectors, prefix = model.policy_prefix(*widened_lines(batch.lines), batch.layout)
        texts = (model.encode_texts(b.input_ids, b.mask, prefix_rows(prefix, b.policy)) for b in batch.texts)
        return _policies(model, vectors, batch), texts
    lines, rows = ([(b.input_ids, b.mask) for b in side] for side in (batch.lines, batch.texts))
    vectors, states = model.encode_together(lines, rows)
    return _policies(model, vectors, batch), states


def _policies(model: GuardModel, vectors: Tensor, batch: Batch) -> LineStates:
    with torch.autocast(vectors.device.type, enabled=False):
        return model.policies(vectors, batch.polarity, batch.layout)


def objective(
    model: GuardModel,
    batch: Batch,
    *,
    line_loss: float,
    smoothing: float = 0.0,
    pos_weight: float = 1.0,
    noise: float = 0.0,
) -> Losses:
    """Compute the losses of a batch, averaged over the step's texts.

    Violations count `pos_weight` times; a share `noise` of the labels is presumed to be wrong.
    """
    scored, weights = forward(model, batch), {"smoothing": smoothing, "pos_weight": pos_weight, "noise": noise}
    return classification(scored, batch, line_loss=line_loss, **weights)


def classification(
    scored: Iterable[Scores],
    batch: Batch,
    *,
    line_loss: float,
    smoothing: float = 0.0,
    pos_weight: float = 1.0,
    noise: float = 0.0,
) -> Losses:
    """Compute the losses of a batch that is scored already (see `objective`)."""
    device = batch.layout.device
    weight = None if pos_weight == 1 else torch.tensor(pos_weight, device=device)
    verdict, line = (torch.zeros((), device=device) for _ in range(2))
    for bucket, logits, weights in scored:
        labels = bucket.labels * (1 - 2 * smoothing) + smoothing
        logits = given_logits(logits, noise) if noise else logits
        verdict = verdict + functional.binary_cross_entropy_with_logits(
            logits, labels, reduction="sum", pos_weight=weight
        )
        if weights is not None:
            line = line + line_cross_entropy(weights, bucket.targets)
    verdict, line = verdict / batch.totals.examples, line / max(batch.totals.known, 1)
    return Losses(verdict + line_loss * line, float(verdict.detach()), float(line.detach()))


def given_logits(logits: Tensor, noise: float) -> Tensor:
    """Turn logits of the true labels into those of the given ones, a share `noise` of which is flipped.

    With them in its place, cross-entropy is lowest at the true probabilities: the forward correction of Patrini et al.,
    https://arxiv.org/abs/1609.03683. A text that contradicts its label pulls less, the surer the model is.
    """
    return torch.logit(noise + (1 - 2 * noise) * logits.sigmoid())


def line_cross_entropy(weights: Tensor, targets: Tensor) -> Tensor:
    """Sum over rows of -log of the weight that target lines hold: log-weights and 0/1 targets, both [B, L].

    Rows without a target count nothing; no value is read back, so a GPU is never waited for.
    """
    known = targets.sum(1) > 0
    held = torch.where(known[:, None], weights.masked_fill(targets == 0, -1e9), 0.0).logsumexp(-1)
    return -torch.where(known, held, 0.0).sum()
