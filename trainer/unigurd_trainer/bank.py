"""Bank: the behaviours that may be composed, with their texts, families and off-topic chat."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from unigurd_trainer.errors import DataError
from unigurd_trainer.leakage import normalised
from unigurd_trainer.rows import Behaviour, CellKey, IntentRow, PoolRow

__all__ = ["Bank", "Cell", "Family", "content_words"]

STOP_WORDS = frozenset(
    (
        "about after again also another any anything asking asks because been before being both cannot "
        "caller could customer does doing done each enquiries enquiring enquiry else ever every finding "
        "from getting give given gives going have having help here into just know knowing like looking made "
        "make making many messages more most much must need needs never only other others over person "
        "please question questions queries request requesting requests said same says seek seeking some "
        "someone something such telling tell than that their them then there these they thing things this "
        "those told user users using very want wanting wants what when where whether which while will with "
        "without would write writing wish wishes your yours"
    ).split()
)
WORD = re.compile(r"[a-z]{4,}")
BROAD_TOPICS = frozenset(("politics", "general-knowledge", "persona-smalltalk", "dialogue-acts", "games-fun"))
"""Topics that ordinary chat touches all the time; chat is no off-topic text for them."""


def content_words(text: str) -> frozenset[str]:
    """Return the stems (first five letters) of the words that say what a text is about."""
    return frozenset(word[:5] for word in WORD.findall(text.lower()) if word not in STOP_WORDS)


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A behaviour with its texts and the stems of its wordings."""

    behaviour: Behaviour
    rows: tuple[IntentRow, ...]
    words: frozenset[str]

    @property
    def marks(self) -> frozenset[str]:
        """The meanings and the wordings."""
        return self.behaviour.groups.union(map(str.casefold, self.behaviour.phrasings))

    @property
    def groups(self) -> frozenset[str]:
        """The meanings of the behaviour."""
        return self.behaviour.groups


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Cells of one domain or topic.

    Attributes:
        name: The domain or topic.
        cells: Those that a policy may list.
        core: Those of them that may be the closed side of a policy.
        neighbours: Those whose texts may stand as unlisted texts.
    """

    name: str
    cells: tuple[Cell, ...]
    core: tuple[Cell, ...]
    neighbours: tuple[Cell, ...]

    @property
    def short(self) -> bool:
        """Whether a cell has only two phrasings."""
        return any(len(cell.behaviour.phrasings) == 2 for cell in self.cells)


class Bank:
    """Cells, families and chat, indexed for drawing.

    Args:
        behaviours: The intents that may be drawn.
        intents: Their prompts; prompts of other intents are ignored, as are prompts that stand under two
            intents which share no meaning.
        chat: Off-topic texts.
        focus: The intents that may decide a policy (what is banned, or what the scope is); all if None.

    Raises:
        DataError: if no family of at least three behaviours with texts remains.
    """

    def __init__(
        self,
        behaviours: Iterable[Behaviour],
        intents: Iterable[IntentRow],
        chat: Iterable[PoolRow | IntentRow] = (),
        *,
        focus: frozenset[CellKey] | None = None,
    ) -> None:
        cells = _cells({behaviour.key: behaviour for behaviour in behaviours}, intents)
        self.cells = tuple(cell for cell in cells if cell.behaviour.negative_ok)
        self.chat = tuple((row, content_words(row.text)) for row in chat)
        self.families = _families(cells, focus)
        if not self.families:
            raise DataError("No family has three intents with texts; give more behaviours and prompts.")
        self._weights = list(accumulate(len(family.core) ** 0.5 for family in self.families))

    def draw_family(self, rng: random.Random) -> Family:
        """Return a family; larger ones are likelier, by the square root of their size."""
        return rng.choices(self.families, cum_weights=self._weights)[0]

    def draw_other(self, rng: random.Random, listed: Sequence[Cell]) -> Cell | None:
        """Return a cell of another domain, topic and meaning than all listed ones, or None after 20 tries."""
        groups = frozenset().union(*(cell.groups for cell in listed))
        near = {cell.behaviour.key.domain for cell in listed} | {cell.behaviour.topic for cell in listed}
        for _ in range(20):
            cell = rng.choice(self.cells)
            behaviour = cell.behaviour
            if behaviour.key.domain not in near and behaviour.topic not in near and not behaviour.groups & groups:
                return cell
        return None

    def draw_chat(self, rng: random.Random, listed: Sequence[Cell]) -> PoolRow | IntentRow | None:
        """Return a chat text that shares no content word with the listed ones, or None after 10 tries."""
        if not self.chat or any(cell.behaviour.topic in BROAD_TOPICS for cell in listed):
            return None
        words = frozenset().union(*(cell.words for cell in listed))
        for _ in range(10):
            row, spoken = rng.choice(self.chat)
            if not words & spoken:
                return row
        return None


def _cells(behaviours: dict[CellKey, Behaviour], intents: Iterable[IntentRow]) -> list[Cell]:
    rows = [row for row in intents if row.key in behaviours]
    keys: defaultdict[str, set[CellKey]] = defaultdict(set)
    for row in rows:
        keys[normalised(row.text)].add(row.key)
    texts: defaultdict[CellKey, dict[str, IntentRow]] = defaultdict(dict)
    for row in rows:
        text = normalised(row.text)
        if len(keys[text]) == 1 or frozenset.intersection(*(behaviours[key].groups for key in keys[text])):
            texts[row.key].setdefault(text, row)
    return [
        Cell(
            behaviour,
            tuple(texts[key].values()),
            content_words(" ".join((*behaviour.phrasings, behaviour.topic))),
        )
        for key, behaviour in behaviours.items()
        if texts.get(key)
    ]


def _families(cells: Sequence[Cell], focus: frozenset[CellKey] | None) -> tuple[Family, ...]:
    members: defaultdict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        for name in {cell.behaviour.key.domain, cell.behaviour.topic}:
            members[name].append(cell)
    families = []
    for name, near in sorted(members.items()):
        usable = tuple(cell for cell in near if cell.behaviour.usable)
        core = tuple(cell for cell in usable if focus is None or cell.behaviour.key in focus)
        if core and len(usable) > 2:
            neighbours = tuple(cell for cell in near if cell.behaviour.negative_ok)
            families.append(Family(name, usable, core, neighbours))
    return tuple(families)
