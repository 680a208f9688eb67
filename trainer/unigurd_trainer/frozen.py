"""A frozen encoder that reads every row once and remembers it: the head then trains in seconds (CFT, SPEC section 4).

Exact, because nothing of it changes: its weights stay, and it never drops anything out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from unigurd_sdk.nn.encoder import Encoder, Segments

__all__ = ["FrozenEncoder"]

BUDGET = 2 << 30
"""Bytes of remembered states; rows beyond it are read anew each time."""


class FrozenEncoder(Encoder):
    """An encoder in evaluation mode whose hidden states are kept by row of ids.

    It remembers what goes through `packed`: policy lines and texts of the interactions ``lines`` and ``lines-read``,
    joint rows of ``full``. Parameters have the names of `Encoder`.
    """

    def __init__(self, encoder: Encoder, budget: int = BUDGET) -> None:
        super().__init__(encoder.config)
        self.load_state_dict(encoder.state_dict())
        self.requires_grad_(False)
        self.budget = budget
        self._seen: dict[tuple[int, ...], Tensor] = {}
        self._bytes = 0

    def train(self, mode: bool = True) -> FrozenEncoder:
        """Stay in evaluation mode."""
        super().train(False)
        return self

    @torch.no_grad()
    def packed(self, batches: Sequence[Segments], multiple: int = 256) -> list[Tensor]:
        """Give the hidden states of `Encoder.packed`, in float32; only rows not seen before are computed."""
        keys = [_keys(batch) for batch in batches]
        fresh = [_unseen(batch, keys_of, self._seen) for batch, keys_of in zip(batches, keys, strict=True)]
        new = self._read([batch for batch, _ in fresh if len(batch.input_ids)], multiple)
        read = dict(zip([key for _, keys_of in fresh for key in keys_of], new, strict=True))
        self._remember(read)
        return [_pad([read.get(k, self._seen.get(k)) for k in ks], b) for ks, b in zip(keys, batches, strict=True)]

    def _read(self, batches: Sequence[Segments], multiple: int) -> list[Tensor]:
        """Compute rows: their states [T, D], each of its own length."""
        if not batches:
            return []
        read = []
        for hidden, batch in zip(super().packed(batches, multiple), batches, strict=True):
            read += [row[:length].float() for row, length in zip(hidden, batch.mask.sum(1).tolist(), strict=True)]
        return read

    def _remember(self, read: dict[tuple[int, ...], Tensor]) -> None:
        for key, row in read.items():
            if self._bytes + row.nbytes <= self.budget:
                self._seen[key] = row.clone()
                self._bytes += row.nbytes


def _keys(batch: Segments) -> list[tuple[int, ...]]:
    """Name rows by token type and ids."""
    lengths = batch.mask.sum(1).tolist()
    return [(batch.token_type, *ids[:length]) for ids, length in zip(batch.input_ids.tolist(), lengths, strict=True)]


def _unseen(
    batch: Segments, keys: list[tuple[int, ...]], seen: dict[tuple[int, ...], Tensor]
) -> tuple[Segments, list[tuple[int, ...]]]:
    """Keep the rows of a batch that were not seen, each once."""
    rows = {key: number for number, key in enumerate(keys) if key not in seen}
    chosen = torch.tensor(list(rows.values()), dtype=torch.long, device=batch.mask.device)
    return replace(batch, input_ids=batch.input_ids[chosen], mask=batch.mask[chosen]), list(rows)


def _pad(rows: Sequence[Tensor | None], batch: Segments) -> Tensor:
    """Put rows [T, D] side by side as the batch has them: [B, T, D], zeros where no token stands."""
    known = [row for row in rows if row is not None]
    out = known[0].new_zeros((*batch.input_ids.shape, known[0].shape[-1]))
    for place, row in zip(out, known, strict=True):
        place[: len(row)] = row
    return out
