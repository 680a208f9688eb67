"""The packaged material: what the offline generator and `sdg-policies` draw from.

The folder `material` is laid out like the data folder and is made by `trainer/runs/material.py`; its `NOTICE.md` names
every source with its licence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path

from unigurd_sdk.policy import Policy
from unigurd_trainer import readers
from unigurd_trainer.rows import Behaviour, ConditionedRow, IntentRow, PoolRow
from unigurd_trainer.skeletons import Skeleton

__all__ = ["Material", "bundled"]


@dataclass(frozen=True, slots=True)
class Material:
    """Texts whose meaning is known, and the wordings that say what it is.

    Attributes:
        version: 16 hex digits of SHA-256 over the files; stands in the provenance of samples.
        behaviours, intents, skeletons: Intents in words, their prompts, and wordings of policies.
        policies, conditioned: Written policies by name, and the rows written for them.
        pool: Public rows under fixed policies, and unlabelled chat.
    """

    version: str
    behaviours: tuple[Behaviour, ...]
    intents: tuple[IntentRow, ...]
    skeletons: tuple[Skeleton, ...]
    policies: Mapping[str, Policy]
    conditioned: tuple[ConditionedRow, ...]
    pool: tuple[PoolRow, ...]

    @classmethod
    def read(cls, folder: Path) -> Material:
        """Read a folder of material; DataError names what is missing or wrong."""
        return cls(
            version=_version(folder),
            behaviours=readers.read_behaviours(folder),
            intents=readers.read_intents(folder),
            skeletons=readers.read_skeletons(folder),
            policies=readers.read_policies(folder),
            conditioned=readers.read_conditioned(folder),
            pool=readers.read_pool(folder, "train"),
        )

    def without(self, policies: Collection[str]) -> Material:
        """Leave out policies, and all rows written for them or labelled under them."""
        return replace(
            self,
            policies={name: policy for name, policy in self.policies.items() if name not in policies},
            conditioned=tuple(row for row in self.conditioned if row.policy not in policies),
            pool=tuple(row for row in self.pool if row.policy not in policies),
        )


@cache
def bundled() -> Material:
    """Read the material that the package holds, once."""
    return Material.read(Path(str(files("unigurd_trainer.sdg"))) / "material")


def _version(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.*")):
        if path.suffix in (".jsonl", ".json", ".gz"):
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
