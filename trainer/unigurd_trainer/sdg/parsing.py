"""Reads the answers of an LLM, however they are wrapped: what is complete is kept, what cannot be used is counted."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unigurd_trainer.sdg.prompts import WRITE

__all__ = [
    "Opinion",
    "Texts",
    "Written",
    "fault_of",
    "is_refusal",
    "rationale_of",
    "read_keyed",
    "read_object",
    "read_objects",
    "read_opinions",
    "read_texts",
    "side",
    "text_of",
]

MAX_CHARS = 6000
"""Default limit of a text."""

MAX_FAILURES = 500
"""Brackets that open nothing complete, after which an answer is read no further."""

_OPENING = re.compile(r"[\[{]")
_DECODER = json.JSONDecoder(strict=False)  # line breaks inside strings are common
_THOUGHTS = re.compile(
    r"\A\s*<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)|\A[^{\[]*</think(?:ing)?>", re.DOTALL | re.IGNORECASE
)
_DECLINES = (
    r"\b(?:i|we)(?:['’]m| am| are)?\s+(?:can(?:['’]t|\s?not)|won['’]t|will not|unable|not able|must decline|refuse"
    r"|have to decline|don['’]t feel comfortable)\b.{0,40}?\b(?:help|assist|compl|provid|creat|generat|writ|fulfil"
    r"|produc|engag|participat|continu|support|request)"
)
_ELSEWHERE = (
    r"es tut mir leid\W+aber ich kann|lo siento\W+pero no puedo|je suis désolée?\W+mais je ne|desculpe\W+mas não"
    r"|mi dispiace\W+ma non|извините\W+(?:но )?я не могу|(?:抱歉|对不起)，?我(?:无法|不能)|申し訳(?:あり|ござい)ません"
)
_REFUSAL = re.compile(rf"\W*(?:.{{0,80}}?{_DECLINES}|{_ELSEWHERE})", re.IGNORECASE | re.DOTALL)
_APOLOGY = re.compile(
    r"\W*(?:i['’]?m (?:really |very |so )?sorry|sorry|i apolog|as an ai\b|unfortunately"
    rf"|i (?:can['’]t|can\s?not|won['’]t|will not) (?:assist|help|comply) with (?:that|this|your)|{_ELSEWHERE})",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"^\W*(?:label\s*:|(?:(?:un)?safe|(?:non-?)?compliant|violat(?:es|ing|ion)|(?:dis)?allowed)\s*[\]):])",
    re.IGNORECASE,
)
_TEXT_KEYS = ("text", "prompt", "message", "content", "query", "input")
_RATIONALE_KEYS = ("rationale", "reason", "explanation", "justification", "why")
_COPIED = WRITE.sentences()
_LEAF_KEYS = {"verdict", "label"}
_SIDES = {
    "violates": 1, "violation": 1, "unsafe": 1, "noncompliant": 1, "disallowed": 1, "true": 1, "1": 1,
    "complies": 0, "compliant": 0, "safe": 0, "allowed": 0, "accepted": 0, "false": 0, "0": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Written:
    """A text and why it was written as it is."""

    text: str
    rationale: str


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a judge says of a text: label (1 violates), why, and how sure it is, in [0, 1]."""

    label: int
    rationale: str
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Texts:
    """What an answer held.

    Attributes:
        found: The texts by the position (from 0) of the control they were written for.
        rejected: How many texts were turned down, by reason: ``empty``, ``too_long``, ``label``, ``template``,
            ``surplus``.
        refused: How many texts were refused one by one.
    """

    found: Mapping[int, Written] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    refused: int = 0


def is_refusal(answer: str) -> bool:
    """Say whether an answer opens by declining to do what was asked."""
    return bool(_REFUSAL.match(_THOUGHTS.sub("", answer).strip()))


def _is_declined(text: str) -> bool:
    """Say the same of one text; stricter, as people write "I can't write my essay" as well."""
    return bool(_APOLOGY.match(text)) and is_refusal(text)


def read_objects(answer: str) -> list[dict[str, Any]]:
    """Return the JSON objects of an answer: bare, fenced, in prose, in a list, under a key, or before a cut."""
    found: list[dict[str, Any]] = []
    for value in _values(_THOUGHTS.sub("", answer)):
        found += _flat(value)
    return found


def read_object(answer: str, key: str) -> dict[str, Any] | None:
    """Return the first object of an answer, at any depth, that has `key`, or None."""
    return next(iter(read_keyed(answer, key)), None)


def read_keyed(answer: str, key: str) -> list[dict[str, Any]]:
    """Return the objects of an answer, at any depth, that have `key`; objects inside of them are left in them."""
    found, queue = [], list(_values(_THOUGHTS.sub("", answer)))
    for value in queue:  # grows while it is read
        if isinstance(value, dict) and key in value:
            found.append(value)
        else:
            queue += _inner(value)
    return found


def read_texts(answer: str, count: int, *, max_chars: int = MAX_CHARS) -> Texts:
    """Return the texts of an answer to `prompts.write` with `count` controls."""
    found: dict[int, Written] = {}
    rejected: Counter[str] = Counter()
    refused = 0
    for place, row in _placed(read_objects(answer), count):
        text, rationale = text_of(row), rationale_of(row)
        if _is_declined(text):
            refused += 1
        elif place is None:
            rejected["surplus"] += 1
        elif fault := fault_of(text, max_chars=max_chars) or ("" if rationale else "empty"):
            rejected[fault] += 1
        else:
            found[place] = Written(text, rationale)
    return Texts(found, dict(rejected), refused)


def read_opinions(answer: str, count: int) -> dict[int, Opinion]:
    """Return the opinions of an answer to `prompts.judge` by the position (from 0) of the text."""
    found = {}
    for place, row in _placed(read_objects(answer), count):
        label = side(row.get("verdict", row.get("label")))
        if place is not None and label is not None:
            found[place] = Opinion(label, rationale_of(row), _share(row.get("confidence")))
    return found


def side(value: object) -> int | None:
    """Return the label that a verdict means, or None if it means none."""
    return _SIDES.get(re.sub(r"[^a-z01]", "", str(value).casefold()))


def text_of(row: Mapping[str, Any]) -> str:
    """Return the text of an object under any of the names that models give it."""
    return _string(row, _TEXT_KEYS)


def rationale_of(row: Mapping[str, Any]) -> str:
    """Return the rationale of an object under any of the names that models give it."""
    return _string(row, _RATIONALE_KEYS)


def fault_of(text: str, *, max_chars: int = MAX_CHARS) -> str:
    """Return why a text cannot be used, or an empty string."""
    if not text.strip():
        return "empty"
    if len(text) > max_chars:
        return "too_long"
    if _LABEL.match(text):
        return "label"
    folded = " ".join(text.casefold().split())
    return "template" if any(sentence in folded for sentence in _COPIED) else ""


def _values(text: str) -> Iterator[Any]:
    """Yield every complete outermost object or list; an incomplete one gives the complete ones inside it."""
    at, failures = 0, 0
    while failures < MAX_FAILURES and (match := _OPENING.search(text, at)):
        try:
            value, at = _DECODER.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            at, failures = match.start() + 1, failures + 1
        else:
            yield value


def _flat(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict) and (text_of(value) or not _LEAF_KEYS.isdisjoint(value)):
        yield value
    else:
        for each in _inner(value):
            yield from _flat(each)


def _inner(value: object) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _placed(rows: Sequence[dict[str, Any]], count: int) -> Iterator[tuple[int | None, dict[str, Any]]]:
    """Give each row the place that its id names; rows without a usable id take the places that are left, in order."""
    taken: dict[int, int] = {}
    for index, row in enumerate(rows):
        place = _whole(row.get("id")) - 1
        if 0 <= place < count and place not in taken.values():
            taken[index] = place
    free = iter(sorted(set(range(count)) - set(taken.values())))
    for index, row in enumerate(rows):
        yield taken[index] if index in taken else next(free, None), row


def _string(row: Mapping[str, Any], keys: Sequence[str]) -> str:
    value = next((row[key] for key in keys if isinstance(row.get(key), str)), "")
    whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\x00", "").strip()


def _whole(value: object) -> int:
    return int(value) if isinstance(value, (int, str)) and str(value).strip().isdecimal() else 0


def _share(value: object) -> float:
    try:
        number = float(str(value).strip().rstrip("%"))
    except ValueError:
        return 1.0
    share = number / 100 if number > 1 else number
    return min(1.0, max(0.0, share)) if share == share else 1.0
