"""Feeding: the batches of a run by step number, collated in this process or ahead of time in worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch.utils.data import DataLoader, Dataset

from unigurd_trainer.batching import Batch, Collator
from unigurd_trainer.rows import Episode
from unigurd_trainer.views import Views

__all__ = ["EpisodeSource", "Feed"]


class EpisodeSource(Protocol):
    """Training data by number: `episode(i)` is a pure function of i."""

    def episode(self, index: int) -> Episode:
        """Give the episode of this number."""
        ...


@dataclass(frozen=True)
class Feed(Dataset[Batch]):
    """Batches by step: step s holds the `episodes` episodes from s * `episodes` on.

    With `workers` processes the same batches come sooner, not others. `views`, where given, collates in the place of
    `collate`.
    """

    source: EpisodeSource
    collate: Collator
    episodes: int
    workers: int = 0
    views: Views | None = None

    def __getitem__(self, step: int) -> Batch:
        """Collate the batch of a step."""
        first = step * self.episodes
        episodes = [self.source.episode(first + i) for i in range(self.episodes)]
        return self.collate(episodes) if self.views is None else self.views(step, episodes)

    def steps(self, start: int, stop: int) -> Iterator[Batch]:
        """Yield the batches of the steps from `start` up to `stop`."""
        if not self.workers:
            yield from map(self.__getitem__, range(start, stop))
            return
        # A step is many small tensors, too many for one file descriptor each.
        torch.multiprocessing.set_sharing_strategy("file_system")  # type: ignore[no-untyped-call]
        yield from DataLoader(self, batch_size=None, sampler=range(start, stop), num_workers=self.workers)
