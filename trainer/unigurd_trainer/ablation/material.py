"""Material of a task: rows of one policy, cut into texts that may train and texts that measure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from unigurd_sdk.policy import Policy
from unigurd_trainer.corpus import Corpus
from unigurd_trainer.errors import DataError
from unigurd_trainer.mixture import public_example, written_example
from unigurd_trainer.rows import Example, PoolRow
from unigurd_trainer.taskdata import TaskData

__all__ = ["Material", "draw", "material_of"]

TEST_SHARE, MOST_PUBLIC = 0.35, 300
LEAST_DEV, MOST_DEV, DEV_SHARE = 20, 200, 0.25


@dataclass(frozen=True, slots=True)
class Material:
    """Texts of a policy: `train` in the order in which samples are taken, and `test`; no group is on both sides."""

    policy: Policy
    train: tuple[Example, ...]
    test: tuple[Example, ...]

    def sample(self, size: int, seed: int) -> TaskData:
        """Take `size` texts to train and a quarter as many (20 to 200) to stop early.

        Both labels come as often as the material allows; a larger sample of the same seed holds the smaller ones.

        Raises:
            DataError: There are not as many texts.
        """
        dev = min(max(LEAST_DEV, round(size * DEV_SHARE)), MOST_DEV)
        if size + dev > len(self.train):
            raise DataError(f"{self.policy.name} has {len(self.train)} texts, and {size} to train take {size + dev}")
        rng = random.Random(f"sample:{seed}")
        order = list(self.train)
        rng.shuffle(order)
        kept, measured = order[: -len(order) // 5], order[-len(order) // 5 :]
        return TaskData(draw(kept, size), draw(measured, dev))


def draw(rows: Sequence[Example], size: int) -> tuple[Example, ...]:
    """Take the first `size` rows with both labels in turn, and of the more frequent label what is missing then."""
    sides = [[row for row in rows if row.label == label] for label in (1, 0)]
    turns = (row for pair in zip_longest(*sides) for row in pair if row is not None)
    return tuple(row for row, _ in zip(turns, range(size), strict=False))


def material_of(name: str, corpus: Corpus) -> Material:
    """Cut the rows of a policy: a third of its written groups and up to 300 public dev rows measure.

    Written and public rows are taken to train in turn, so that small samples have both.
    """
    if name not in corpus.policies:
        raise DataError(f"there is no policy {name!r}")
    written = [row for row in corpus.conditioned if row.policy == name]
    groups = sorted({row.group for row in written if row.split == "train"})
    random.Random(f"material:{name}").shuffle(groups)
    held_out = set(groups[: round(len(groups) * TEST_SHARE)])
    held = [row for row in written if row.split != "train" or row.group in held_out]
    own = [row for row in written if row.split == "train" and row.group not in held_out]
    public = {
        side: [row for row in corpus.pool if row.policy == name and row.split == side] for side in ("train", "dev")
    }
    for rows in public.values():
        random.Random(f"public:{name}").shuffle(rows)
    test = [*map(written_example, held), *map(public_example, public["dev"][:MOST_PUBLIC])]
    known = {row.text for row in test}
    pairs = zip_longest(map(written_example, own), map(public_example, public["train"]))
    train = [row for row in chain.from_iterable(pairs) if row is not None and row.text not in known]
    return Material(corpus.policies[name], tuple(train), tuple(test))


def _public(name: str, side: str, corpus: Corpus) -> list[PoolRow]:
    """Public rows of a policy and a split, in a fixed random order."""
    rows = [row for row in corpus.pool if row.policy == name and row.split == side]
    random.Random(f"public:{name}").shuffle(rows)
    return rows
