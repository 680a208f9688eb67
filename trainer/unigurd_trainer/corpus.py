"""Corpus: the whole data folder, read once, with its holdout; training and evaluation data come from it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from unigurd_sdk.policy import Policy
from unigurd_trainer import readers
from unigurd_trainer.bank import Bank
from unigurd_trainer.compose import Composer, ComposeSettings
from unigurd_trainer.errors import DataError
from unigurd_trainer.holdout import Holdout, plan_holdout
from unigurd_trainer.mixture import Mixture, MixtureSettings, trainable_intents, trainable_pool
from unigurd_trainer.rows import Behaviour, ConditionedRow, Document, IntentRow, PoolRow
from unigurd_trainer.skeletons import Skeleton

__all__ = ["Corpus", "data_hash"]

OFF_TOPIC_SOURCES = frozenset({"medquad"})
"""Intent data without behaviours, whose prompts serve as off-topic texts beside chat."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Everything that was read.

    Attributes:
        behaviours, intents, skeletons: The raw material of composed policies.
        policies, conditioned: Written policies by name, and the rows written for them.
        pool: Public rows of both splits.
        documents: Harmless prose.
        holdout: What training must not see.
    """

    behaviours: tuple[Behaviour, ...]
    intents: tuple[IntentRow, ...]
    skeletons: tuple[Skeleton, ...]
    policies: Mapping[str, Policy]
    conditioned: tuple[ConditionedRow, ...]
    pool: tuple[PoolRow, ...]
    holdout: Holdout
    documents: tuple[Document, ...] = ()

    @classmethod
    def read(
        cls,
        data: Path,
        *,
        fraction: float = 0.08,
        holdout_seed: int = 0,
        exclude: Collection[str] = (),
        only: Collection[str] = (),
    ) -> Corpus:
        """Read a data folder; its training rows are not under the policies of `exclude` and, if given, under `only`.

        DataError names what is missing or wrong, such as a policy of these under which there is no row.
        """
        behaviours, intents = readers.read_behaviours(data), readers.read_intents(data)
        conditioned, pool = readers.read_conditioned(data), readers.read_pool(data, "train")
        dev = readers.read_pool(data, "dev")
        holdout = plan_holdout(behaviours, intents, conditioned, dev, fraction=fraction, seed=holdout_seed)
        names = {row.policy for row in conditioned} | {row.policy for row in pool}
        for listed, purpose in ((exclude, "exclude"), (only, "train only")):
            if unknown := sorted(set(listed) - names):
                raise DataError(f"no rows are of the policies to {purpose}: {', '.join(unknown)}", file=data)
        return cls(
            behaviours=behaviours,
            intents=intents,
            skeletons=readers.read_skeletons(data),
            policies=readers.read_policies(data),
            conditioned=conditioned,
            pool=pool + dev,
            holdout=replace(holdout, excluded=frozenset(exclude) | (names - set(only) - {""} if only else set())),
            documents=readers.read_documents(data),
        )

    def composer(self, *, seed: int = 0, settings: ComposeSettings | None = None) -> Composer:
        """Return a composer of training policies."""
        texts = trainable_intents(self.intents, self.holdout)
        chat = [row for row in trainable_pool(self.pool, self.holdout) if row.label is None]
        off_topic = [row for row in texts if row.source in OFF_TOPIC_SOURCES]
        cells = [cell for cell in self.behaviours if cell.key in self.holdout.train_cells]
        return Composer(Bank(cells, texts, [*chat, *off_topic]), self.skeletons, seed=seed, settings=settings)

    def mixture(
        self,
        *,
        seed: int = 0,
        settings: MixtureSettings | None = None,
        compose: ComposeSettings | None = None,
    ) -> Mixture:
        """Return the training stream."""
        composer = self.composer(seed=seed, settings=compose)
        rows = (self.conditioned, self.pool, self.policies, self.holdout)
        return Mixture(composer, *rows, seed=seed, settings=settings, documents=self.documents)


def data_hash(data: Path) -> str:
    """Sha256 (16 hex digits) over the names and contents of the training files; `dev` is not one of them."""
    digest = hashlib.sha256()
    folders = ("pool", "intents", "gip", "policies", "sdg", "documents")
    for path in sorted(p for folder in folders for p in (data / folder).glob("*") if p.is_file()):
        digest.update(path.relative_to(data).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
