"""A panel: the rows of one split under one wording, tokenised and batched once, and scored in every trial."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unigurd_sdk.nn.encoder import Segments
from unigurd_sdk.nn.head import LineStates
from unigurd_sdk.nn.model import POLICY_TYPE, TEXT_TYPE, GuardModel, TextStates, unit_pool
from unigurd_sdk.policy import Policy
from unigurd_trainer.batching import Batch, Collator, LineBucket, TextBucket
from unigurd_trainer.metrics import Labels, Scores
from unigurd_trainer.objective import autocast, forward
from unigurd_trainer.rows import Episode, Example
from unigurd_trainer.search.splits import Judged
from unigurd_trainer.search.wording import worded

__all__ = ["Panel", "make_panel", "score"]

TOKENS = {"cpu": 8192, "cuda": 262_144}
"""Tokens that go through the encoder together: on a CPU few enough for its cache, on a GPU enough to fill it."""

Bucket = TypeVar("Bucket", LineBucket, TextBucket)

_EPISODES = 8

_APART = ("lines", "lines-read")
"""Interactions in which policies are encoded without their texts."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Rows ready to be scored.

    Attributes:
        batches: What goes through the model, in order.
        labels: 1 where the text violates the policy [N], in the order of the scores.
        groups: Index of each row's group [N].
        names: The groups.
    """

    batches: tuple[Batch, ...]
    labels: Labels
    groups: NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Panel:
        """Copy what goes through the model to a device."""
        return replace(self, batches=tuple(batch.to(device) for batch in self.batches))


def make_panel(
    rows: Sequence[Judged], names: Sequence[str], collate: Collator, *, instruction: str, interaction: str
) -> Panel:
    """Tokenise and batch rows; texts are sorted by length, each policy is encoded once for all of its texts."""
    episodes, groups = _episodes(rows, names, instruction)
    step = max(len(episodes), 1) if interaction in _APART else _EPISODES
    batches = tuple(collate(episodes[at : at + step]) for at in range(0, len(episodes), step))
    buckets = [(bucket, at * step) for at, batch in enumerate(batches) for bucket in batch.texts]
    labels = _joined([bucket.labels.numpy() for bucket, _ in buckets])
    owners = _joined([groups[bucket.policy.numpy() + start] for bucket, start in buckets])
    return Panel(batches, labels, owners, tuple(names))


@torch.inference_mode()
def score(model: GuardModel, panel: Panel, precision: str = "bf16") -> Scores:
    """Logits [N] of all rows of a panel."""
    model.eval()
    parts: list[Tensor] = []
    with autocast(precision, next(model.parameters()).device.type):
        for batch in panel.batches:
            apart = model.config.interaction in _APART
            parts += _score_apart(model, batch) if apart else [logits for _, logits, _ in forward(model, batch)]
    return np.concatenate([np.empty(0), *(each.double().cpu().numpy() for each in parts)])


def _score_apart(model: GuardModel, batch: Batch) -> Iterator[Tensor]:
    """Encode the policies, then the texts pack by pack."""
    lines = [_encoded(model, pack, POLICY_TYPE) for pack in _packs(batch.lines)]
    vectors = torch.cat([unit_pool(hidden, bucket.mask) for pack in lines for bucket, hidden in pack])
    with torch.autocast(vectors.device.type, enabled=False):
        policies: LineStates = model.policies(vectors, batch.polarity, batch.layout)
    for pack in _packs(batch.texts):
        for bucket, hidden in _encoded(model, pack, TEXT_TYPE):
            states = TextStates(hidden, bucket.mask, unit_pool(hidden, bucket.mask))
            yield model.decide(states, policies.rows(bucket.policy))[0]


def _packs(buckets: Sequence[Bucket]) -> Iterator[list[Bucket]]:
    """Cut buckets where they are larger than a pack, and put small ones together."""
    pack, tokens, most = list[Bucket](), 0, TOKENS.get(buckets[0].mask.device.type, TOKENS["cpu"])
    for bucket in (part for each in buckets for part in _cut(each, most)):
        if pack and tokens + bucket.mask.numel() > most:
            yield pack
            pack, tokens = [], 0
        pack.append(bucket)
        tokens += bucket.mask.numel()
    if pack:
        yield pack


def _cut(bucket: Bucket, tokens: int) -> Iterator[Bucket]:
    rows = max(tokens // bucket.mask.shape[1], 1)
    columns = [torch.split(getattr(bucket, each.name), rows) for each in fields(bucket)]
    return (type(bucket)(*column) for column in zip(*columns, strict=True))


def _episodes(
    rows: Sequence[Judged], names: Sequence[str], instruction: str
) -> tuple[list[Episode], NDArray[np.int64]]:
    """Put the rows of a policy together; returns also the index of each episode's group."""
    by_policy: defaultdict[tuple[str, Policy], list[Example]] = defaultdict(list)
    for row in rows:
        by_policy[row.group, worded(row.policy, instruction)].append(row.example)
    episodes = [Episode(policy, tuple(examples), "conditioned") for (_, policy), examples in by_policy.items()]
    return episodes, np.array([names.index(group) for group, _ in by_policy], np.int64)


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0), *parts]).astype(np.int64)


def _encoded(model: GuardModel, pack: Sequence[Bucket], kind: int) -> list[tuple[Bucket, Tensor]]:
    hidden = model.bert.packed([Segments(bucket.input_ids, bucket.mask, kind) for bucket in pack])
    return list(zip(pack, hidden, strict=True))
