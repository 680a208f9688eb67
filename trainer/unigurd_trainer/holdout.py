"""Holdout: the policies, intents and domains that training never sees, to measure zero-shot generalisation.

Everything is decided by hashes and fixed names: the same data and settings give the same holdout.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unigurd_trainer.leakage import is_test_split, normalised
from unigurd_trainer.rows import Behaviour, CellKey, ConditionedRow, IntentRow, PoolRow

__all__ = ["DOMAINS", "Holdout", "plan_holdout"]

DOMAINS = frozenset({"insurance", "kitchen_and_dining", "travel", "assistant/music"})
"""The domains that are held out as a whole: one of business, two of daily life, one of device commands."""


@dataclass(frozen=True, slots=True)
class Holdout:
    """What is held out.

    Attributes:
        policies: Names of custom policies of which no row trains.
        domains: Domains of which no intent trains.
        groups: Meanings of which no intent trains, in whatever domain; an intent that has one of them is out.
        train_cells: Intents that train.
        intent_cells: Intents held out one by one, together with all others of the same meaning.
        domain_cells: Intents of the held-out domains.
        shadow_cells: Intents of other domains that share a meaning with a held-out domain; they neither train
            nor count as held out.
        texts: Normalised texts of everything that measures; no training row may have one of them.
        prompts: (policy, prompt) of responses that measure; rows with the same question do not train.
        excluded: Names of policies that a recipe leaves out on top; no row under one of them trains.
    """

    policies: frozenset[str]
    domains: frozenset[str]
    groups: frozenset[str]
    train_cells: frozenset[CellKey]
    intent_cells: frozenset[CellKey]
    domain_cells: frozenset[CellKey]
    shadow_cells: frozenset[CellKey]
    texts: frozenset[str]
    prompts: frozenset[tuple[str, str]]
    excluded: frozenset[str] = frozenset()

    def describe(self) -> dict[str, int]:
        """Return how many of each are held out or train."""
        names = (
            "policies",
            "domains",
            "groups",
            "train_cells",
            "intent_cells",
            "domain_cells",
            "shadow_cells",
        )
        return {name: len(getattr(self, name)) for name in (*names, "texts", "prompts")}

    def trains_text(self, text: str) -> bool:
        """Say whether a text may train, whatever its row."""
        return normalised(text) not in self.texts

    def trains_intent(self, row: IntentRow) -> bool:
        """Say whether a prompt may train: its intent is not held out and its split is no test split."""
        held = row.key in self.intent_cells or row.key in self.domain_cells or row.key in self.shadow_cells
        return not held and not is_test_split(row.split) and self.trains_text(row.text)

    def trains_conditioned(self, row: ConditionedRow) -> bool:
        """Say whether a policy-conditioned row may train."""
        if row.policy in self.policies | self.excluded or row.policy_split == "unseen" or row.split != "train":
            return False
        return (row.policy, row.prompt or "") not in self.prompts and self.trains_text(row.text)

    def trains_pool(self, row: PoolRow) -> bool:
        """Say whether a public row may train."""
        return row.split == "train" and row.policy not in self.excluded and self.trains_text(row.text)


def plan_holdout(
    behaviours: Sequence[Behaviour],
    intents: Iterable[IntentRow] = (),
    conditioned: Iterable[ConditionedRow] = (),
    pool: Iterable[PoolRow] = (),
    *,
    fraction: float = 0.08,
    domains: frozenset[str] = DOMAINS,
    seed: int = 0,
) -> Holdout:
    """Decide what is held out.

    Args:
        behaviours: All intents in words.
        intents: All prompts; official test texts and the texts of held-out intents become evaluation texts.
        conditioned: All policy-conditioned rows.
        pool: The public rows of both splits, or only the dev rows.
        fraction: Share of the usable intents outside the held-out domains that is held out one by one.
        domains: The domains that are held out as a whole.
        seed: Another seed holds out other intents.
    """
    conditioned = tuple(conditioned)
    domain_groups = frozenset().union(*(cell.groups for cell in behaviours if cell.key.domain in domains))
    rest = [cell for cell in behaviours if not cell.groups & domain_groups and cell.key.domain not in domains]
    intent_groups = _draw_groups(rest, fraction, seed)
    domain_cells = frozenset(cell.key for cell in behaviours if cell.key.domain in domains)
    touching = frozenset(cell.key for cell in behaviours if cell.groups & domain_groups)
    intent_cells = frozenset(cell.key for cell in rest if cell.groups & intent_groups)
    out = domain_cells | touching | intent_cells
    measured = [row for row in conditioned if row.policy_split == "unseen" or row.split != "train"]
    return Holdout(
        policies=frozenset(row.policy for row in conditioned if row.policy_split == "unseen"),
        domains=domains,
        groups=domain_groups | intent_groups,
        train_cells=frozenset(cell.key for cell in behaviours) - out,
        intent_cells=intent_cells,
        domain_cells=domain_cells,
        shadow_cells=touching - domain_cells,
        texts=frozenset(normalised(text) for text in _texts(intents, measured, pool, out)),
        prompts=frozenset((row.policy, row.prompt) for row in measured if row.prompt),
    )


def _draw_groups(cells: Sequence[Behaviour], fraction: float, seed: int) -> frozenset[str]:
    """Take whole groups in the order of their hashes until ``fraction`` of the usable cells is out."""
    usable = [cell for cell in cells if cell.usable]
    goal = round(fraction * len(usable))
    drawn: set[str] = set()
    for group in sorted(set().union(*(cell.groups for cell in usable)), key=lambda group: _hash(seed, group)):
        now = sum(bool(cell.groups & drawn) for cell in usable)
        after = sum(bool(cell.groups & (drawn | {group})) for cell in usable)
        if after > now and after <= goal:
            drawn.add(group)
        if after == goal:
            break
    return frozenset(drawn)


def _texts(
    intents: Iterable[IntentRow],
    measured: Iterable[ConditionedRow],
    pool: Iterable[PoolRow],
    out: frozenset[CellKey],
) -> Iterable[str]:
    yield from (row.text for row in intents if row.key in out or is_test_split(row.split))
    yield from (row.text for row in measured)
    yield from (row.text for row in pool if row.split != "train")


def _hash(seed: int, group: str) -> str:
    return hashlib.sha256(f"holdout:{seed}:{group}".encode()).hexdigest()
