"""Shelves: the packaged texts sorted by meaning, each shelf with the lines that say what its texts are about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from unigurd_sdk.policy import Policy
from unigurd_trainer.rows import Behaviour, ConditionedRow, Example, IntentRow, PoolRow
from unigurd_trainer.sdg.packaged import Material

__all__ = ["Shelf", "chat_of", "shelves_of"]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Texts of one meaning.

    Attributes:
        name: The intent (``clinc150/travel/book_flight``) or the side of a policy (``tax/unsafe``).
        lines: The wordings of the meaning.
        groups: Names of meanings; two shelves that share one are never on opposite sides of a policy.
        texts: The texts, with their source and licence.
    """

    name: str
    lines: tuple[str, ...]
    groups: frozenset[str]
    texts: tuple[Example, ...]


def shelves_of(material: Material) -> tuple[Shelf, ...]:
    """Sort all texts but chat into shelves; an empty shelf is left out."""
    return (*_intents(material), *_written(material))


def chat_of(material: Material) -> tuple[Example, ...]:
    """Return the texts that are about nothing in particular."""
    return tuple(
        Example(row.text, 0, row.source, row.licence, lang=row.lang) for row in material.pool if row.label is None
    )


def _intents(material: Material) -> Iterator[Shelf]:
    rows: defaultdict[object, list[IntentRow]] = defaultdict(list)
    for row in material.intents:
        rows[row.key].append(row)
    for cell in material.behaviours:
        texts = tuple(Example(row.text, 0, row.source, row.licence, lang=row.lang) for row in rows[cell.key])
        if texts:
            yield Shelf("/".join(cell.key), _wordings(cell), cell.groups, texts)


def _wordings(cell: Behaviour) -> tuple[str, ...]:
    """Return the nouns, and the gerund where there is one: the others embed much like them."""
    return cell.phrasings[:2] if len(cell.phrasings) == 4 else cell.phrasings[:1]


def _written(material: Material) -> Iterator[Shelf]:
    texts: defaultdict[tuple[str, int], list[Example]] = defaultdict(list)
    rows: tuple[ConditionedRow | PoolRow, ...] = (*material.conditioned, *material.pool)
    for row in rows:
        if row.label is not None and row.policy in material.policies:
            texts[row.policy, row.label].append(_example(row))
    for (name, label), found in sorted(texts.items()):
        side = f"{name}/{('safe', 'unsafe')[label]}"
        yield Shelf(side, _side(material.policies[name], label), frozenset({side}), tuple(found))


def _side(policy: Policy, label: int) -> tuple[str, ...]:
    return (policy.disallowed if label else policy.allowed) or (policy.description,)


def _example(row: ConditionedRow | PoolRow) -> Example:
    label = row.label or 0
    if isinstance(row, PoolRow):
        return Example(row.text, label, row.source, row.licence, lang=row.lang)
    return Example(row.text, label, row.source, row.licence, row.role, row.prompt, row.group, lang=row.lang)
