"""A batch cut at a layer of the encoder: what enters the layer, and the rest of the model as a function of it.

The rest is the same computation, with the same masks, as the whole pass; it takes several versions of the hidden states
at once and treats them as more rows. What can be changed are the tokens of policy lines and of texts; in the
interaction ``prefix-lines`` only those of texts, since a policy's tokens are not a state but keys and values of every
layer there; in ``full`` the tokens of policy and text together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from unigurd_sdk.nn.encoder import Segments, mean_pool
from unigurd_sdk.nn.head import LineStates
from unigurd_sdk.nn.model import POLICY_TYPE, TEXT_TYPE, GuardModel, TextStates, prefix_rows, unit_pool
from unigurd_trainer.batching import Batch, TextBucket, widened_lines
from unigurd_trainer.joint import joint_rows

__all__ = ["Cut", "Outputs", "cut"]

Outputs = list[tuple[Tensor, Tensor | None]]
"""For each text bucket of B texts: logits [V, B] and line log-weights [V, B, 1 + L] (None for ``full``)."""


class Cut(Protocol):
    """Hidden states that enter a layer, `hidden` [M, D], their `mask` [M], and what follows."""

    hidden: Tensor
    mask: Tensor

    def rest(self, hidden: Tensor) -> Outputs:
        """Run the rest of the model on V versions of the hidden states [V, M, D]."""
        ...


def cut(model: GuardModel, batch: Batch, layer: int) -> Cut:
    """Run the model on a batch up to a layer (0 is the first: what enters it are the embeddings)."""
    if model.config.interaction == "prefix-lines":
        return _TextCut(model, batch, layer)
    return (_JointCut if model.config.interaction == "full" else _LinesCut)(model, batch, layer)


class _PackedCut:
    """Rows that go through the encoder in one packed pass."""

    def __init__(self, model: GuardModel, batch: Batch, layer: int, rows: Sequence[Segments]) -> None:
        self.model, self.batch, self.layer = model, batch, layer
        self._masks = [row.mask for row in rows]
        self._packed = model.bert.through_packed(model.bert.pack(rows), last=layer)
        self.hidden, self.mask = self._packed.tokens, torch.cat([mask.flatten() for mask in self._masks])

    def _states(self, hidden: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Last hidden states and mask of each batch of rows, V times as many."""
        states = self.model.bert.through_packed(self._packed.versions(hidden), first=self.layer).batches()
        masks = [mask.repeat(len(hidden), 1) for mask in self._masks]
        return list(zip(states, masks, strict=True))


class _LinesCut(_PackedCut):
    """Lines and texts apart (interactions ``lines`` and ``lines-read``)."""

    def __init__(self, model: GuardModel, batch: Batch, layer: int) -> None:
        lines = [Segments(bucket.input_ids, bucket.mask, POLICY_TYPE) for bucket in batch.lines]
        texts = [Segments(bucket.input_ids, bucket.mask, TEXT_TYPE) for bucket in batch.texts]
        super().__init__(model, batch, layer, lines + texts)

    def rest(self, hidden: Tensor) -> Outputs:
        """Run the rest of the encoder, and the head."""
        states, count, versions = self._states(hidden), len(self.batch.lines), len(hidden)
        policies = self._policies([unit_pool(*each) for each in states[:count]], versions)
        texts = [TextStates(each, mask, unit_pool(each, mask)) for each, mask in states[count:]]
        return _decide(self.model, self.batch, texts, policies, versions, stride=len(self.batch.layout))

    def _policies(self, vectors: Sequence[Tensor], versions: int) -> LineStates:
        """The policies [V * G, ...] of vectors [V * N, D] of lines in buckets."""
        lines = torch.cat([_by_version(each, versions) for each in vectors], dim=1)
        shift = lines.shape[1] * torch.arange(versions, device=lines.device)[:, None, None]
        layout = torch.where(self.batch.layout >= 0, self.batch.layout + shift, -1).flatten(0, 1)
        with torch.autocast(lines.device.type, enabled=False):
            return self.model.policies(lines.flatten(0, 1), self.batch.polarity.repeat(versions, 1), layout)


class _JointCut(_PackedCut):
    """Policy and text in one row (interaction ``full``)."""

    def __init__(self, model: GuardModel, batch: Batch, layer: int) -> None:
        rows = [joint_rows(batch, bucket) for bucket in batch.texts]
        super().__init__(model, batch, layer, [Segments(*row, TEXT_TYPE) for row in rows])

    def rest(self, hidden: Tensor) -> Outputs:
        """Run the rest of the encoder, and the head."""
        states = self._states(hidden)
        with torch.autocast(hidden.device.type, enabled=False):
            logits = [self.model.head(mean_pool(*each)).squeeze(-1) for each in states]
        return [(_by_version(each, len(hidden)), None) for each in logits]


class _TextCut:
    """Texts that see their policy's keys and values (interaction ``prefix-lines``)."""

    def __init__(self, model: GuardModel, batch: Batch, layer: int) -> None:
        self.model, self.batch, self.layer = model, batch, layer
        vectors, self._prefix = model.policy_prefix(*widened_lines(batch.lines), batch.layout)
        with torch.autocast(vectors.device.type, enabled=False):
            self._policies = model.policies(vectors, batch.polarity, batch.layout)
        states = [self._layers(bucket, self._embed(bucket), 1, last=layer) for bucket in batch.texts]
        self.hidden = torch.cat([each.flatten(0, 1) for each in states])
        self.mask = torch.cat([bucket.mask.flatten() for bucket in batch.texts])

    def rest(self, hidden: Tensor) -> Outputs:
        """Run the rest of the encoder, and the head."""
        versions, texts = len(hidden), []
        parts = torch.split(hidden, [bucket.mask.numel() for bucket in self.batch.texts], dim=1)
        for bucket, part in zip(self.batch.texts, parts, strict=True):
            rows = part.reshape(versions * len(bucket.mask), bucket.mask.shape[1], -1)
            states, mask = self._layers(bucket, rows, versions, first=self.layer), bucket.mask.repeat(versions, 1)
            texts.append(TextStates(states, mask, unit_pool(states, mask)))
        return _decide(self.model, self.batch, texts, self._policies, versions, stride=0)

    def _embed(self, bucket: TextBucket) -> Tensor:
        return self.model.bert.embeddings(bucket.input_ids, TEXT_TYPE)  # type: ignore[no-any-return]

    def _layers(
        self, bucket: TextBucket, hidden: Tensor, versions: int, *, first: int = 0, last: int | None = None
    ) -> Tensor:
        prefix, mask = prefix_rows(self._prefix, bucket.policy.repeat(versions)), bucket.mask.repeat(versions, 1)
        return self.model.bert.through(hidden, mask, prefix, first=first, last=last).hidden


def _decide(
    model: GuardModel, batch: Batch, texts: Sequence[TextStates], policies: LineStates, versions: int, *, stride: int
) -> Outputs:
    """Decide on texts of V versions; each version has policies of its own `stride` further on, or all the same (0)."""
    shift = stride * torch.arange(versions, device=batch.layout.device)[:, None]
    outputs: Outputs = []
    for bucket, states in zip(batch.texts, texts, strict=True):
        logits, weights = model.decide(states, policies.rows((bucket.policy + shift).flatten()))
        outputs.append((_by_version(logits, versions), _by_version(weights, versions)))
    return outputs


def _by_version(rows: Tensor, versions: int) -> Tensor:
    """[V * B, ...] to [V, B, ...]."""
    return rows.view(versions, -1, *rows.shape[1:])
