"""Rows: the typed values that data files become, and the examples and episodes that training sees.

Everywhere a label is 1 for unsafe (the text violates the policy) and 0 for safe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from unigurd_sdk.policy import Policy
from unigurd_sdk.template import Role

__all__ = [
    "Behaviour",
    "CellKey",
    "ConditionedRow",
    "DevRow",
    "Document",
    "Episode",
    "Example",
    "IntentRow",
    "PoolRow",
    "TrainRow",
]


@dataclass(frozen=True, slots=True)
class Example:
    """One text with its label under the policy of its episode.

    Attributes:
        text: What is judged.
        label: 1 if it violates the policy, else 0.
        source: The data set it came from.
        licence: The licence that it came under.
        role: ``user``, ``assistant`` or ``document``.
        prompt: The user's prompt, where a response is judged.
        group: Ties texts that must stay on one side of a split.
        matched: None if unknown; -1 if no listed behaviour matches; otherwise the index of the one that does,
            into ``policy.allowed + policy.disallowed``.
        lang: ISO 639-1 code.
        category: Of which kind it is in its source; measures are also given by category.
        rationale: Why it has its label under the policy. For training only; whoever scores has none.
    """

    text: str
    label: int
    source: str
    licence: str
    role: Role = "user"
    prompt: str | None = None
    group: str = ""
    matched: int | None = None
    lang: str = "en"
    category: str = ""
    rationale: str | None = None


@dataclass(frozen=True, slots=True)
class Episode:
    """One policy and the texts judged under it; the policy is encoded once for all of them.

    Attributes:
        policy: The policy.
        examples: The texts.
        kind: ``composed``, ``conditioned`` or ``pool``.
    """

    policy: Policy
    examples: tuple[Example, ...]
    kind: str


class CellKey(NamedTuple):
    """Names one intent of one data set; the sub-domains of IssueBench count as one domain."""

    source: str
    domain: str
    intent: str


@dataclass(frozen=True, slots=True)
class Behaviour:
    """An intent in words.

    Attributes:
        key: The intent.
        phrasings: Four wordings (gerund, noun, clause, bullet), or two (noun, bullet) for IssueBench.
        groups: Meanings; two intents that share one must never be on opposite sides of a policy.
        topic: A finer family than the domain.
        usable: Whether a policy may list it.
        negative_ok: Whether its texts may stand as texts that match nothing listed.
    """

    key: CellKey
    phrasings: tuple[str, ...]
    groups: frozenset[str]
    topic: str
    usable: bool = True
    negative_ok: bool = True


@dataclass(frozen=True, slots=True)
class IntentRow:
    """A user prompt and its intent; ``split`` is ``test`` or starts with it for official test texts."""

    text: str
    key: CellKey
    split: str
    source: str
    licence: str
    lang: str = "en"


@dataclass(frozen=True, slots=True)
class PoolRow:
    """A public row under one fixed policy; ``label`` is None and ``policy`` empty for unlabelled chat."""

    text: str
    label: int | None
    policy: str
    category: str
    split: str
    source: str
    licence: str
    lang: str = "en"


@dataclass(frozen=True, slots=True)
class Document:
    """Harmless prose, of any length, that other texts are set into."""

    text: str
    source: str
    licence: str


@dataclass(frozen=True, slots=True)
class ConditionedRow:
    """A text written for a policy, and why it has its label.

    ``group`` (file:group) ties twins, ``prompt`` goes with responses.
    """

    policy: str
    text: str
    label: int
    kind: str
    group: str
    split: str
    policy_split: str
    source: str
    licence: str
    role: Role = "user"
    prompt: str | None = None
    lang: str = "en"
    rationale: str | None = None


@dataclass(frozen=True, slots=True)
class DevRow:
    """A row of a development benchmark: for measuring only, so no training function accepts this type."""

    text: str
    label: int
    policy: str
    category: str
    source: str
    licence: str
    lang: str = "en"
    prompt: str | None = None
    response: str | None = None


TrainRow = IntentRow | PoolRow | ConditionedRow
