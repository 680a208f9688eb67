"""Feeding: the batches of a run by step number, collated in this process or ahead of time in worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch.utils.data import DataLoader, Dataset

from unigurd_trainer.batching import Batch, Collator
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.rows import Episode
from unigurd_trainer.team import ALONE, Team
from unigurd_trainer.views import Views

__all__ = ["EpisodeSource", "Feed"]


class EpisodeSource(Protocol):
    """Training data by number: `episode(i)` is a pure function of i."""

    def episode(self, index: int) -> Episode:
        """Give the episode of this number."""
        ...


@dataclass(frozen=True)
class Feed(Dataset[tuple[Batch, ...]]):
    """Batches by step: step s holds the `episodes` episodes from s * `episodes` on.

    With `workers` processes the same batches come sooner, not others. `views`, where given, collates in the place of
    `collate`. The episodes of a step are dealt to the processes of the `team` and, within each, to `parts` that are
    computed one after the other; too few to deal raise `RecipeError`.
    """

    source: EpisodeSource
    collate: Collator
    episodes: int
    workers: int = 0
    views: Views | None = None
    parts: int = 1
    team: Team = ALONE

    def __post_init__(self) -> None:
        shares = self.team.size * self.parts
        if self.episodes < shares:
            raise RecipeError(
                f"episodes = {self.episodes} is too few for {self.team.size} processes of {self.parts} parts each; "
                f"raise it to {shares}."
            )

    def __getitem__(self, step: int) -> tuple[Batch, ...]:
        """Collate this process's parts of a step."""
        numbers = range(step * self.episodes, (step + 1) * self.episodes)
        hands = [numbers[hand :: self.team.size * self.parts] for hand in range(self.team.size * self.parts)]
        mine = hands[self.team.rank * self.parts :][: self.parts]
        return tuple(self._collate(step, [self.source.episode(number) for number in hand]) for hand in mine)

    def _collate(self, step: int, episodes: list[Episode]) -> Batch:
        return self.collate(episodes) if self.views is None else self.views(step, episodes)

    def steps(self, start: int, stop: int) -> Iterator[tuple[Batch, ...]]:
        """Yield the parts of the steps from `start` up to `stop`."""
        if not self.workers:
            yield from map(self.__getitem__, range(start, stop))
            return
        # A step is many small tensors, too many for one file descriptor each.
        torch.multiprocessing.set_sharing_strategy("file_system")  # type: ignore[no-untyped-call]
        yield from DataLoader(self, batch_size=None, sampler=range(start, stop), num_workers=self.workers)
