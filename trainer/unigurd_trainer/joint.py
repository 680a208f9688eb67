"""Policy and text as one sequence: the input of the interaction ``full``, for ablations and teachers."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor

from unigurd_trainer.batching import Batch, TextBucket

MARKS = (1, 2, 3)
"""Ids, [unused] in BERT, that mark the polarity of a line in the sequence: description, allowed, disallowed."""


def joint_rows(batch: Batch, bucket: TextBucket, max_length: int = 512) -> tuple[Tensor, Tensor]:
    """Build ids and mask [B, S]: every line of the row's policy, then the text; a policy too long is cut."""
    lines = [row[mask.bool()].tolist() for b in batch.lines for row, mask in zip(b.input_ids, b.mask, strict=True)]
    marked = [[*line[:1], MARKS[polarity], *line[1:]] for line, polarity in _with_polarity(batch, lines)]
    rows = []
    for text, mask, policy in zip(bucket.input_ids, bucket.mask, bucket.policy, strict=True):
        own = text[mask.bool()].tolist()
        numbers = [n for n in _numbers(batch, int(policy)) if n >= 0]
        front = list(chain.from_iterable(marked[n] for n in numbers))
        rows.append(front[: max_length - len(own)] + own)
    width = max(map(len, rows))
    ids = [row + [0] * (width - len(row)) for row in rows]
    seen = [[1] * len(row) + [0] * (width - len(row)) for row in rows]
    device = bucket.input_ids.device
    return torch.tensor(ids, device=device), torch.tensor(seen, device=device)


def _numbers(batch: Batch, policy: int) -> list[int]:
    width = batch.layout.shape[1]
    return [policy * width + i if int(n) >= 0 else -1 for i, n in enumerate(batch.layout[policy])]


def _with_polarity(batch: Batch, lines: list[list[int]]) -> list[tuple[list[int], int]]:
    """Lines by place in the layout (flattened), each with its polarity."""
    flat = zip(batch.layout.flatten().tolist(), batch.polarity.flatten().tolist(), strict=True)
    return [(lines[number], polarity) if number >= 0 else ([], 0) for number, polarity in flat]
