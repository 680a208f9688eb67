"""The model's last hidden states at the places of hidden tokens, each row read as the model reads it otherwise."""

from __future__ import annotations

import torch
from torch import Tensor

from unigurd_sdk.nn.encoder import Segments
from unigurd_sdk.nn.model import POLICY_TYPE, TEXT_TYPE, GuardModel, prefix_of, prefix_rows
from unigurd_trainer.batching import MaskedRows, widened_lines

__all__ = ["masked_states"]


def masked_states(model: GuardModel, rows: MaskedRows, layout: Tensor) -> Tensor:
    """Encode masked rows: hidden states [K, D] at their places; `layout` [G, L] says which lines a policy has.

    Lines and texts go through the encoder in one packed pass. In the interaction ``prefix-lines`` the texts see the
    keys and values of the masked lines.
    """
    if model.config.interaction == "prefix-lines":
        return _with_prefix(model, rows, layout)[rows.places]
    segments = [Segments(bucket.input_ids, bucket.mask, POLICY_TYPE) for bucket in rows.lines]
    segments += [Segments(bucket.input_ids, bucket.mask, TEXT_TYPE) for bucket in rows.texts]
    return model.bert.through_packed(model.bert.pack(segments)).hidden[rows.places]


def _with_prefix(model: GuardModel, rows: MaskedRows, layout: Tensor) -> Tensor:
    """Hidden states [M, D] of all rows, padding included."""
    ids, mask = widened_lines(rows.lines)
    encoded = model.bert(Segments(ids, mask, POLICY_TYPE))
    prefix = prefix_of(encoded, mask, layout)
    parts = encoded.hidden.split([len(bucket.mask) for bucket in rows.lines])
    states = [part[:, : bucket.mask.shape[1]] for part, bucket in zip(parts, rows.lines, strict=True)]
    for bucket, policy in zip(rows.texts, rows.policy, strict=True):
        segments = Segments(bucket.input_ids, bucket.mask, TEXT_TYPE)
        states.append(model.bert(segments, prefix_rows(prefix, policy)).hidden)
    return torch.cat([each.flatten(0, 1) for each in states])
