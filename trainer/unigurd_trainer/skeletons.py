"""Skeletons: wordings of policies with places for behaviours, and how behaviours are joined in them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["FORMS", "JOINS", "Kind", "Skeleton", "phrase"]

FORMS: Mapping[str, int] = {"gerund": 0, "noun": 1, "clause": 2, "bullet": 3}
"""The index of each form in the four phrasings of a behaviour."""

SHORT_FORMS: Mapping[str, int] = {"noun": 0, "bullet": 1}
"""The same for behaviours with two phrasings."""

Kind = Literal["ban", "scope", "mixed"]
Join = Callable[[Sequence[str]], str]


def phrase(phrasings: Sequence[str], form: str) -> str:
    """Return the phrasing of a behaviour in ``form``; KeyError if it has none."""
    return phrasings[(SHORT_FORMS if len(phrasings) == 2 else FORMS)[form]]


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A wording of a policy.

    Attributes:
        id: Its name.
        kind: ``ban``, ``scope`` or ``mixed``.
        text: The wording, with ``{disallowed}`` and ``{allowed}`` where the lists go; braces are doubled.
        join: List name -> name of the join.
        forms: The forms of phrasing that fit.
        min_items: The least number of behaviours in a list.
        max_items: The greatest.
        unlisted: What a text is that matches no listed behaviour: ``allowed``, ``disallowed`` or
            ``unspecified``.
    """

    id: str
    kind: Kind
    text: str
    join: Mapping[str, str] = field(hash=False)
    forms: tuple[str, ...]
    min_items: int
    max_items: int
    unlisted: str

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Skeleton:
        """Check and take over a row of ``skeletons.json``; KeyError or ValueError if it cannot be used."""
        if row["kind"] not in ("ban", "scope", "mixed") or row["unlisted"] not in (
            "allowed",
            "disallowed",
            "unspecified",
        ):
            raise ValueError(f"skeleton {row['id']!r} has an unknown kind or 'unlisted'")
        unknown = (set(row["join"].values()) - set(JOINS)) | (set(row["forms"]) - set(FORMS))
        if unknown:
            raise ValueError(f"skeleton {row['id']!r} has unknown joins or forms {sorted(unknown)}")
        names = ("id", "kind", "text", "join", "min_items", "max_items", "unlisted")
        return cls(forms=tuple(row["forms"]), **{name: row[name] for name in names})

    def render(self, *, disallowed: Sequence[str] = (), allowed: Sequence[str] = ()) -> str:
        """Return the policy text; a list that the wording has no place for is left out."""
        lists = {"disallowed": disallowed, "allowed": allowed}
        return self.text.format(**{name: JOINS[how](lists[name]) for name, how in self.join.items()})

    @property
    def heading(self) -> str:
        """The wording without its lists, or an empty string where it makes no sense without them."""
        if self.kind == "mixed" or not set(self.join.values()) <= LINE_JOINS:
            return ""
        lines = [line for line in self.text.split("\n") if "{" not in line]
        return "\n".join(lines).strip()


def _lines(mark: Callable[[int], str], ends: bool = False) -> Join:
    def join(items: Sequence[str]) -> str:
        last = len(items) - 1
        tails = [("" if not ends or at == last else "; or" if at == last - 1 else ";") for at in range(len(items))]
        return "\n".join(f"{mark(at)}{item}{tail}" for at, (item, tail) in enumerate(zip(items, tails, strict=True)))

    return join


def _semicolons(word: str) -> Join:
    def join(items: Sequence[str]) -> str:
        return "; ".join(items) if len(items) < 2 else f"{'; '.join(items[:-1])}; {word} {items[-1]}"

    return join


def _words(word: str, last: str) -> Join:
    clash = re.compile(rf",|\b{word}\b")

    def join(items: Sequence[str]) -> str:
        if len(items) > 1 and any(clash.search(item) for item in items):
            return _semicolons(word)(items)
        return last.join(filter(None, (", ".join(items[:-1]), items[-1] if items else "")))

    return join


def _commas(items: Sequence[str]) -> str:
    return ("; " if any("," in item for item in items) else ", ").join(items)


def _roman(number: int) -> str:
    tens, ones = divmod(number, 10)
    return "x" * tens + ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")[ones]


JOINS: Mapping[str, Join] = {
    "bullets": _lines(lambda at: "- "),
    "star-bullets": _lines(lambda at: "* "),
    "dashes": _lines(lambda at: "– "),
    "checkboxes": _lines(lambda at: "[ ] "),
    "numbered": _lines(lambda at: f"{at + 1}. "),
    "lettered": _lines(lambda at: f"({chr(97 + at)}) ", ends=True),
    "roman": _lines(lambda at: f"({_roman(at + 1)}) "),
    "yaml": lambda items: "\n".join(f"    - {json.dumps(item, ensure_ascii=False)}" for item in items),
    "json": lambda items: json.dumps(list(items), ensure_ascii=False),
    "pipes": " | ".join,
    "commas": _commas,
    "semicolons": "; ".join,
    "semicolons-or": _semicolons("or"),
    "semicolons-and": _semicolons("and"),
    "or": _words("or", " or "),
    "and": _words("and", " and "),
    "as-well-as": _words("and", " as well as "),
}
"""How a list of behaviours is put into a wording, by name."""

LINE_JOINS = frozenset({"bullets", "star-bullets", "dashes", "checkboxes", "numbered", "lettered", "roman"})
