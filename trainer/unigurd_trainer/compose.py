"""Composition: policies put together from intents, with texts whose labels follow from the composition.

A policy has a closed side, whose texts match one of its listed behaviours (what a ban forbids, what a scope
permits), and an open side, where everything else falls: listed and unlisted siblings of the same family,
other domains, chat. This is the raw material of guardrail instruction pretraining (GIP).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from unigurd_sdk.policy import Policy
from unigurd_trainer.augment import augment
from unigurd_trainer.bank import Bank, Cell, content_words
from unigurd_trainer.contexts import among
from unigurd_trainer.errors import DataError
from unigurd_trainer.plan import Plan, disjoint, open_count
from unigurd_trainer.rows import ConditionedRow, Episode, Example, IntentRow, PoolRow
from unigurd_trainer.skeletons import Skeleton, phrase
from unigurd_trainer.wordings import CATCH_ALL, DESCRIPTIONS, listed_line, topic_name

__all__ = ["ComposeSettings", "Composer"]


@dataclass(frozen=True, slots=True)
class ComposeSettings:
    """How policies and their texts are mixed; shares need not add up to one.

    Attributes:
        texts: Texts per policy.
        kinds: Shares of ``ban``, ``scope`` and ``mixed``.
        renderings: Shares of ``text`` (all in the description), ``lists`` (a short description and lists) and
            ``both``.
        siblings: Share of open-side texts from the same family.
        others: Share from other domains; the rest is chat.
        augment: Probability that a text is changed lightly.
        long_lists: Probability that a list may be longer than usual (12 behaviours in both lists together).
        catch_all: Probability that a list says 'Anything else' where that holds.
        contexts: Probability that a text stands among chat, where the policy allows what it does not list.
        policies: How many policies there are, which come again with other texts; None is a new one every time.
    """

    texts: int = 16
    kinds: Mapping[str, float] = field(default_factory=lambda: {"ban": 0.5, "scope": 0.25, "mixed": 0.25})
    renderings: Mapping[str, float] = field(default_factory=lambda: {"text": 0.4, "lists": 0.35, "both": 0.25})
    siblings: float = 0.6
    others: float = 0.25
    augment: float = 0.15
    long_lists: float = 0.15
    catch_all: float = 0.3
    contexts: float = 0.0
    policies: int | None = None


class Composer:
    """Composes episodes; `episode(i)` is a pure function of the arguments given here and of ``i``.

    Args:
        bank: Behaviours, texts and chat.
        skeletons: Wordings of policies.
        seed: Another seed composes other episodes.
        settings: How they are mixed.
    """

    def __init__(
        self,
        bank: Bank,
        skeletons: Sequence[Skeleton],
        *,
        seed: int = 0,
        settings: ComposeSettings | None = None,
    ) -> None:
        self.bank = bank
        self.seed = seed
        self.settings = settings or ComposeSettings()
        self._skeletons = {kind: [row for row in skeletons if row.kind == kind] for kind in ("ban", "scope", "mixed")}
        missing = [kind for kind, share in self.settings.kinds.items() if share > 0 and not self._skeletons[kind]]
        if missing:
            raise DataError(f"There is no skeleton of the kinds {missing}; add some or set their shares to 0.")

    def compose(self, count: int, start: int = 0) -> Iterator[Episode]:
        """Yield the episodes ``start`` to ``start + count - 1``."""
        return (self.episode(index) for index in range(start, start + count))

    def episode(self, index: int, kind: str | None = None) -> Episode:
        """Return the episode of this index, of a given kind of policy if one is named."""
        number = index % (self.settings.policies or index + 1)
        rng = random.Random(f"compose:{self.seed}:{number}:{kind or ''}")
        for _ in range(100):
            plan = self._plan(rng, kind or _weighted(rng, self.settings.kinds))
            if plan is not None:
                policy = self._policy(rng, plan, number)
                if number != index:  # an old policy comes with other texts
                    rng = random.Random(f"compose:{self.seed}:{index}:texts")
                return Episode(policy, self._examples(rng, plan, policy), "composed")
        raise DataError("The behaviours do not yield a policy; every family has too few distinct meanings.")

    def stranger(self, policy: Policy, row: PoolRow | ConditionedRow, label: int) -> Example | None:
        """Return a text from elsewhere as an unlisted text of a policy, or None if it may be about it."""
        about = content_words(" ".join((policy.description, *policy.allowed, *policy.disallowed)))
        if about & content_words(row.text):
            return None
        return _example(row, label, _unlisted_index(policy))

    def _plan(self, rng: random.Random, kind: str) -> Plan | None:
        family = self.bank.draw_family(rng)
        fitting = [row for row in self._skeletons[kind] if not family.short or {"noun", "bullet"} & set(row.forms)]
        if not fitting:
            return None
        skeleton = rng.choice(fitting)
        long = rng.random() < self.settings.long_lists
        rendering = _weighted(rng, self.settings.renderings)
        top = (7 if long else 5) if rendering == "lists" else min(skeleton.max_items, 7 if long else 5)
        closed = disjoint(rng, family.core, rng.randint(skeleton.min_items, min(top, max(1, len(family.cells) - 1))))
        siblings = open_count(rng, kind, rendering, skeleton, long)
        listed = disjoint(rng, family.cells, siblings, closed)
        if kind == "mixed" and not listed:
            return None
        sides = (closed, listed) if skeleton.unlisted != "disallowed" else (listed, closed)
        return Plan(skeleton, rendering, family, *sides)

    def _policy(self, rng: random.Random, plan: Plan, index: int) -> Policy:
        short = plan.family.short
        forms = ("noun", "bullet") if short else ("gerund", "noun", "clause", "bullet")
        fitting = [form for form in plan.skeleton.forms if form in forms]
        form = rng.choice(forms if plan.rendering == "lists" else fitting)
        disallowed = [phrase(cell.behaviour.phrasings, form) for cell in plan.disallowed]
        allowed = [phrase(cell.behaviour.phrasings, form) for cell in plan.allowed]
        if plan.rendering == "lists":
            description = self._description(rng, plan)
        else:
            description = plan.skeleton.render(disallowed=disallowed, allowed=allowed)
        lists = ((), ()) if plan.rendering == "text" else self._lists(rng, plan, form, allowed, disallowed)
        return Policy(
            name=f"gip-{plan.skeleton.id}-{self.seed}-{index}",
            description=description,
            allowed=tuple(lists[0]),
            disallowed=tuple(lists[1]),
            domain=plan.closed[0].behaviour.topic,
            kind=plan.skeleton.kind,
        )

    def _description(self, rng: random.Random, plan: Plan) -> str:
        kind, unlisted = plan.skeleton.kind, plan.skeleton.unlisted
        if plan.skeleton.heading and rng.random() < 0.6:
            return plan.skeleton.heading
        topic = topic_name(plan.closed[0].behaviour.topic)
        return rng.choice(DESCRIPTIONS[kind, unlisted]).format(topic=topic)

    def _lists(
        self, rng: random.Random, plan: Plan, form: str, allowed: Sequence[str], disallowed: Sequence[str]
    ) -> tuple[list[str], list[str]]:
        style = rng.choice((0, 1, 1, 1, 2, 3, 4, 5))
        lists = tuple([listed_line(line, form, style) for line in lines] for lines in (allowed, disallowed))
        if plan.skeleton.unlisted != "unspecified" and rng.random() < self.settings.catch_all:
            lists[1 - plan.closed_label].append(rng.choice(CATCH_ALL))
        return lists[0], lists[1]

    def _examples(self, rng: random.Random, plan: Plan, policy: Policy) -> tuple[Example, ...]:
        total = self.settings.texts
        closed_count = max(1, min(total - 1, total // 2 + rng.choice((-1, 0, 0, 1))))
        seen: set[str] = set()
        drawn = _gather(closed_count, seen, lambda: _from_cells(rng, plan.closed, plan, policy, plan.closed_label))
        for origin in [self._origin(rng, plan) for _ in range(total - len(drawn))]:
            drawn += _gather(1, seen, partial(self._open, rng, plan, policy, origin))
        drawn += _gather(total - len(drawn), seen, lambda: self._open(rng, plan, policy, self._origin(rng, plan)))
        rng.shuffle(drawn)
        has_lists = bool(policy.allowed or policy.disallowed)
        return tuple(self._finished(rng, example, has_lists, plan) for example in drawn)

    def _finished(self, rng: random.Random, example: Example, has_lists: bool, plan: Plan) -> Example:
        text = augment(example.text, rng) if rng.random() < self.settings.augment else example.text
        if plan.skeleton.unlisted == "allowed" and rng.random() < self.settings.contexts:
            rows = [self.bank.draw_chat(rng, plan.listed) for _ in range(rng.randint(1, 4))]
            text = among(text, [row.text for row in rows if row], rng)
        return Example(
            text,
            example.label,
            example.source,
            example.licence,
            matched=example.matched if has_lists else None,
        )

    def _origin(self, rng: random.Random, plan: Plan) -> str:
        """Draw where a text of the open side comes from."""
        if plan.skeleton.unlisted == "unspecified":
            return "listed"
        draw = rng.random()
        if draw < self.settings.siblings:
            return "listed" if plan.open_listed and rng.random() < 0.5 else "sibling"
        return "other" if draw < self.settings.siblings + self.settings.others else "chat"

    def _open(self, rng: random.Random, plan: Plan, policy: Policy, origin: str) -> Example | None:
        """Draw a text of the open side, or None if there is none of this origin."""
        label = 1 - plan.closed_label
        if origin == "listed":
            return _from_cells(rng, plan.open_listed, plan, policy, label)
        if origin == "sibling":
            return _sibling(rng, plan, policy, label)
        if origin == "other":
            cell = self.bank.draw_other(rng, plan.listed)
            return _example(rng.choice(cell.rows), label, _unlisted_index(policy)) if cell else None
        row = self.bank.draw_chat(rng, plan.listed)
        return _example(row, label, _unlisted_index(policy)) if row else None


def _weighted(rng: random.Random, shares: Mapping[str, float]) -> str:
    return rng.choices(tuple(shares), tuple(shares.values()))[0]


def _gather(count: int, seen: set[str], draw: Callable[[], Example | None]) -> list[Example]:
    """Draw ``count`` examples of distinct texts; fewer if there are not enough."""
    found: list[Example] = []
    for _ in range(6 * count + 10):
        if len(found) == count:
            break
        example = draw()
        if example is not None and example.text not in seen:
            seen.add(example.text)
            found.append(example)
    return found


def _from_cells(rng: random.Random, cells: Sequence[Cell], plan: Plan, policy: Policy, label: int) -> Example:
    cell = rng.choice(cells)
    if cell in plan.allowed:
        position = plan.allowed.index(cell)
    else:
        position = len(policy.allowed) + plan.disallowed.index(cell)
    return _example(rng.choice(cell.rows), label, position)


def _sibling(rng: random.Random, plan: Plan, policy: Policy, label: int) -> Example | None:
    """Draw a text of the same family that is not listed and shares no meaning with the closed side."""
    closed = frozenset().union(*(cell.groups for cell in plan.closed))
    for _ in range(8):
        cell = rng.choice(plan.family.neighbours)
        if cell not in plan.listed and not cell.groups & closed:
            alike = any(cell.groups & listed.groups for listed in plan.open_listed)
            return _example(rng.choice(cell.rows), label, None if alike else _unlisted_index(policy))
    return None


def _unlisted_index(policy: Policy) -> int | None:
    """Return the index of a catch-all line, -1 if the lists have none, None without lists."""
    lines = policy.allowed + policy.disallowed
    return next((at for at, line in enumerate(lines) if line in CATCH_ALL), -1) if lines else None


def _example(row: IntentRow | PoolRow | ConditionedRow, label: int, matched: int | None) -> Example:
    role = row.role if isinstance(row, ConditionedRow) else "user"
    prompt = row.prompt if isinstance(row, ConditionedRow) else None
    return Example(row.text, label, row.source, row.licence, role=role, prompt=prompt, matched=matched, lang=row.lang)
