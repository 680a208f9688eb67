"""Mixture: one endless, random-access stream of training episodes from all kinds of training data.

`Mixture.episode(i)` is a pure function of the data, the settings, the seed and ``i``, so a run resumes at any
step without replaying the ones before it. Kinds of episode follow a fixed cycle, which gives every kind
its own running number; written rows are dealt out in epochs by that number, each row once an epoch.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TypeVar

from unigurd_sdk.policy import Policy
from unigurd_trainer.augment import augment
from unigurd_trainer.bank import BROAD_TOPICS
from unigurd_trainer.compose import Composer
from unigurd_trainer.deck import Deck
from unigurd_trainer.dressing import Dressing
from unigurd_trainer.errors import DataError
from unigurd_trainer.holdout import Holdout
from unigurd_trainer.leakage import assert_trainable
from unigurd_trainer.prose import Prose
from unigurd_trainer.rows import ConditionedRow, Document, Episode, Example, IntentRow, PoolRow
from unigurd_trainer.urn import Urn

__all__ = [
    "Mixture",
    "MixtureSettings",
    "public_example",
    "trainable_documents",
    "trainable_intents",
    "trainable_pool",
    "trainable_rows",
    "written_example",
]

FORM_DOMAINS = frozenset({"chat", "language", "style", "writing"})
"""Domains whose policies may be about how a text is written; changing its form could change its label."""

Row = TypeVar("Row", ConditionedRow, PoolRow, IntentRow)


@dataclass(frozen=True, slots=True)
class MixtureSettings:
    """Shares and sizes of the stream.

    Attributes:
        shares: Share of each kind: ``composed``, ``conditioned``, ``pool`` and ``cross`` (texts of other
            policies as off-topic texts of a composed ban).
        pool_shares: Share of each fixed policy among the pool episodes.
        texts: Texts per episode at most.
        chat_policies: Fixed policies under which unlabelled chat is presumed safe.
        chat_share: Share of presumed-safe chat in their episodes.
        strangers: Fixed policies whose texts, safe or not, are presumed safe under another one.
        stranger_share: Share of these in its episodes.
        contexts, personas, chat_personas, slices, briefs, documents: How public texts are dressed (see `Dressing`).
        drop_lists: Probability that a written policy is shown as its description only.
        document_as_user: Probability that a text with the role ``document`` is shown as the user's.
        augment: Probability that a written text is changed lightly.
        cycle: Length of the cycle of kinds; shares are rounded to parts of it.
    """

    shares: Mapping[str, float] = field(
        default_factory=lambda: {"composed": 0.5, "conditioned": 0.3, "pool": 0.15, "cross": 0.05}
    )
    pool_shares: Mapping[str, float] = field(
        default_factory=lambda: {
            "prompt-injection": 0.35, "safety": 0.25, "toxicity": 0.2, "hate": 0.14, "harassment": 0.06,
        }
    )  # fmt: skip
    texts: int = 16
    chat_policies: frozenset[str] = frozenset({"prompt-injection", "safety", "toxicity", "hate", "harassment"})
    chat_share: float = 0.2
    strangers: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"prompt-injection": ("toxicity", "hate", "harassment")}
    )
    stranger_share: float = 0.0
    contexts: float = 0.0
    personas: float = 0.0
    chat_personas: float = 0.0
    slices: float = 0.0
    briefs: float = 0.0
    documents: float = 0.0
    drop_lists: float = 0.25
    document_as_user: float = 0.25
    augment: float = 0.0
    cycle: int = 100


class Mixture:
    """The training stream.

    Args:
        composer: Composes policies from intents that train.
        conditioned: Written rows; those that the holdout keeps out of training are left out.
        pool: Public rows, unlabelled chat included; likewise.
        policies: The written policies by name.
        holdout: What training must not see.
        seed: Another seed draws other episodes.
        settings: Shares and sizes.
        documents: Harmless prose for the share of `settings.documents`.

    Raises:
        LeakageError: if a row that the holdout lets through is for measuring only.
        DataError: if a kind with a share has no data.
    """

    def __init__(
        self,
        composer: Composer,
        conditioned: Sequence[ConditionedRow],
        pool: Sequence[PoolRow],
        policies: Mapping[str, Policy],
        holdout: Holdout,
        *,
        seed: int = 0,
        settings: MixtureSettings | None = None,
        documents: Sequence[Document] = (),
    ) -> None:
        self.settings = settings or MixtureSettings()
        self.seed = seed
        self._composer = composer
        self._policies = policies
        self._deck = Deck(trainable_rows(conditioned, holdout), size=self.settings.texts, seed=seed)
        self._urn = Urn(trainable_pool(pool, holdout))
        dress = ("contexts", "personas", "chat_personas", "slices", "briefs", "documents")
        shares = {name: getattr(self.settings, name) for name in dress}
        self._dressing = Dressing(self._urn, Prose.of(trainable_documents(documents, holdout)), **shares)
        self._written = [row for groups in self._deck.twins.values() for group in groups for row in group]
        self._pattern = self._cycle_pattern()
        self._require_data()

    def episode(self, index: int) -> Episode:
        """Return the episode of this index, from 0."""
        rng = random.Random(f"mixture:{self.seed}:{index}")
        cycle, slot = divmod(index, len(self._pattern))
        kind, rank, per_cycle = self._pattern[slot]
        number = cycle * per_cycle + rank
        if kind == "composed":
            return self._composer.episode(number)
        if kind == "conditioned":
            return self._conditioned(rng, number)
        return self._public(rng) if kind == "pool" else self._cross(rng, number)

    def stream(self, start: int = 0) -> Iterator[Episode]:
        """Yield the episodes from ``start`` on, without end."""
        return map(self.episode, count(start))

    def describe(self) -> dict[str, int]:
        """Return counts: written rows, policies and episodes an epoch; public rows by policy and label."""
        counts = {
            "conditioned/rows": self._deck.rows,
            "conditioned/policies": len(self._deck.twins),
            "conditioned/episodes": len(self._deck),
        }
        return counts | dict(self._urn.describe())

    def _conditioned(self, rng: random.Random, number: int) -> Episode:
        name, rows = self._deck.deal(number)
        policy = self._policies[name]
        change = self.settings.augment if policy.domain not in FORM_DOMAINS else 0.0
        examples = [self._shown(rng, written_example(row), change) for row in rows]
        rng.shuffle(examples)
        return Episode(self._varied(rng, policy), tuple(examples), "conditioned")

    def _public(self, rng: random.Random) -> Episode:
        shares = {name: share for name, share in self.settings.pool_shares.items() if name in self._urn.policies}
        name = rng.choices(tuple(shares), tuple(shares.values()))[0]
        half = self.settings.texts // 2
        chat_count = self.settings.texts * self.settings.chat_share if name in self.settings.chat_policies else 0.0
        chat = self._urn.draw_chat(rng, int(chat_count) + (rng.random() < chat_count % 1))
        strangers = self._strangers(rng, name)
        safe = self._urn.draw(rng, name, 0, max(0, half - len(chat) - len(strangers)))
        examples = [self._dressing.chat(rng, public_example(row)) for row in chat] + strangers
        examples += [self._dressing.text(rng, public_example(row)) for row in self._urn.draw(rng, name, 1, half) + safe]
        examples = [self._shown(rng, example, self.settings.augment) for example in examples]
        rng.shuffle(examples)
        return Episode(self._varied(rng, self._policies[name]), tuple(examples), "pool")

    def _strangers(self, rng: random.Random, name: str) -> list[Example]:
        """Draw texts of other fixed policies that are presumed safe under this one."""
        others = [other for other in self.settings.strangers.get(name, ()) if other in self._urn.policies]
        share = self.settings.texts * self.settings.stranger_share
        count = int(share) + (rng.random() < share % 1) if others else 0
        rows = [row for _ in range(count) for row in self._urn.draw(rng, rng.choice(others), rng.randint(0, 1), 1)]
        return [replace(public_example(row), label=0) for row in rows]

    def _cross(self, rng: random.Random, number: int) -> Episode:
        """Swap half of the safe texts of a composed ban for texts of other policies that are not about it."""
        episode = self._composer.episode(number, kind="ban")
        if episode.policy.domain in BROAD_TOPICS:
            return episode
        safe = [at for at, example in enumerate(episode.examples) if example.label == 0]
        examples = list(episode.examples)
        for at in rng.sample(safe, len(safe) // 2):
            stranger = self._composer.stranger(episode.policy, self._elsewhere(rng), 0)
            examples[at] = stranger or examples[at]
        return Episode(episode.policy, tuple(examples), "composed")

    def _elsewhere(self, rng: random.Random) -> ConditionedRow | PoolRow:
        names = self._urn.policies
        if names and rng.random() < 0.5:
            drawn = self._urn.draw(rng, rng.choice(names), rng.randint(0, 1), 1)
            if drawn:
                return drawn[0]
        return rng.choice(self._written)

    def _varied(self, rng: random.Random, policy: Policy) -> Policy:
        """Shuffle the lists of a written policy, or now and then leave them out."""
        if rng.random() < self.settings.drop_lists:
            return policy.model_copy(update={"allowed": (), "disallowed": ()})
        lists = {name: list(getattr(policy, name)) for name in ("allowed", "disallowed")}
        for lines in lists.values():
            rng.shuffle(lines)
        return policy.model_copy(update={name: tuple(lines) for name, lines in lists.items()})

    def _shown(self, rng: random.Random, example: Example, change: float) -> Example:
        if example.role == "document" and rng.random() < self.settings.document_as_user:
            example = replace(example, role="user")
        if rng.random() < change:
            return replace(example, text=augment(example.text, rng))
        return example

    def _cycle_pattern(self) -> list[tuple[str, int, int]]:
        """Return (kind, rank of this one in the cycle, how many of the kind a cycle has) for every slot."""
        shares = self.settings.shares
        total = sum(shares.values()) or 1.0
        kinds = [kind for kind, share in shares.items() for _ in range(round(share / total * self.settings.cycle))]
        random.Random(f"cycle:{self.seed}").shuffle(kinds)
        return [(kind, kinds[:slot].count(kind), kinds.count(kind)) for slot, kind in enumerate(kinds)]

    def _require_data(self) -> None:
        kinds = {kind for kind, _, _ in self._pattern}
        if not kinds:
            raise DataError("All shares of the mixture are 0; give one of them a positive share.")
        if kinds & {"conditioned", "cross"} and not self._written:
            raise DataError("No policy-conditioned row may train; add rows or set the shares that need them to 0.")
        pooled = set(self._urn.policies) & set(self.settings.pool_shares)
        if "pool" in kinds and not pooled:
            raise DataError("No public row may train; add rows or set the share of the pool to 0.")
        if self.settings.documents and not self._dressing.prose:
            raise DataError("No document may train; add documents or set the share of documents to 0.")
        unknown = sorted((set(self._deck.twins) | pooled) - set(self._policies))
        if unknown:
            raise DataError(f"Rows name policies that are not defined: {', '.join(unknown[:5])}; add these policies.")


def trainable_rows(rows: Iterable[ConditionedRow], holdout: Holdout) -> list[ConditionedRow]:
    """Return the written rows that may train; a group with a row that may not is left out as a whole."""
    rows = list(rows)
    out = {row.group for row in rows if not holdout.trains_conditioned(row)}
    return [_checked(row) for row in rows if row.group not in out]


def trainable_pool(rows: Iterable[PoolRow], holdout: Holdout) -> list[PoolRow]:
    """Return the public rows that may train."""
    return [_checked(row) for row in rows if holdout.trains_pool(row)]


def trainable_documents(documents: Iterable[Document], holdout: Holdout) -> list[Document]:
    """Return the documents that may train."""
    return [document for document in documents if holdout.trains_text(document.text)]


def trainable_intents(rows: Iterable[IntentRow], holdout: Holdout) -> list[IntentRow]:
    """Return the intent-labelled prompts that may train."""
    return [_checked(row) for row in rows if holdout.trains_intent(row)]


def _checked(row: Row) -> Row:
    assert_trainable(row)
    return row


def written_example(row: ConditionedRow) -> Example:
    """Return a written row as an example."""
    return Example(
        row.text,
        row.label,
        row.source,
        row.licence,
        row.role,
        row.prompt,
        group=row.group,
        lang=row.lang,
        category=row.kind,
        rationale=row.rationale,
    )


def public_example(row: PoolRow) -> Example:
    """Return a public row as an example; unlabelled chat is presumed safe."""
    return Example(row.text, row.label or 0, row.source, row.licence, lang=row.lang, category=row.category)
