"""The instruction to draft policies for a commission, and the policies that an answer holds, however it is written."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from unigurd_sdk.errors import InvalidPolicy
from unigurd_sdk.policy import Policy
from unigurd_trainer.sdg.linter import lint
from unigurd_trainer.sdg.parsing import fault_of, read_keyed
from unigurd_trainer.sdg.prompts import Instruction, Message
from unigurd_trainer.sdg.taxonomy import Commission, Kind

__all__ = ["DRAFT", "PER_REQUEST", "draft", "read_policies"]

PER_REQUEST = 4
"""Policies asked for in one request; an answer of more is often cut."""

MAX_CHARS = 2000
"""Longest description; longest line of a list."""

_LINES = {"type": "array", "items": {"type": "string"}}
_ITEM = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "description": {"type": "string"},
        "allowed": _LINES,
        "disallowed": _LINES,
    },
    "required": ["title", "description", "allowed", "disallowed"],
    "additionalProperties": False,
}

DRAFT = Instruction(
    name="policies",
    system=(
        "You draft written policies. A policy says, for one assistant, which messages of its users are fine and which "
        "are not, so that a reader can decide about any message. They are used to train and test a small filter that "
        "compares messages with whatever policy it is given, so they have to differ in what they are about, how "
        "they are put and how narrow they are.\n"
        'Answer with JSON only: {"items": [{"title": "...", "description": "...", "allowed": ["...", ...], '
        '"disallowed": ["...", ...]}, ...]}. '
        "A title has two to six words. A description has one to three sentences and states the rule. Each list has two "
        "to seven lines, and each line names one behaviour, as the user shows it, without saying that it is "
        "allowed or not. No line stands on both sides, and the lists meet where the decision is hard: what nearly "
        "looks alike falls apart there. Name no real company or person."
    ),
    user=(
        "EXAMPLES OF THE FORM (write about other matters)\n$examples\n\n"
        "WHAT TO DRAFT\nField: $domain\nWho runs the assistant: $operator\nWhat is at stake: $concern\n"
        "Kind of rule: $kind\n"
        "Write exactly $count policies of this kind for this field, all different in what they rule."
    ),
    schema={
        "type": "object",
        "properties": {"items": {"type": "array", "items": _ITEM}},
        "required": ["items"],
        "additionalProperties": False,
    },
)

_KINDS: Mapping[Kind, str] = {
    "ban": "everything is fine except what the policy rules out",
    "scope": "nothing is fine except what the policy accepts; all other subjects are ruled out, however harmless",
    "mixed": "the two lists divide the subject between them, by conditions that need careful reading",
}
_NAMES: Mapping[str, tuple[str, ...]] = {
    "title": ("title", "name"),
    "description": ("description", "rule", "summary"),
    "allowed": ("allowed", "allow", "permitted", "accepted"),
    "disallowed": ("disallowed", "disallow", "forbidden", "prohibited", "not_allowed"),
}
_NEEDED: Mapping[Kind, tuple[str, ...]] = {
    "ban": ("disallowed",),
    "scope": ("allowed",),
    "mixed": ("allowed", "disallowed"),
}
_INSTRUCTED = DRAFT.sentences()
_BULLET = re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)])\s+")


def draft(commission: Commission, shown: Iterable[Policy]) -> list[Message]:
    """Ask for policies; `shown` are examples of the form."""
    fields = {"title", "description", "allowed", "disallowed"}
    examples = [json.dumps(policy.model_dump(mode="json", include=fields), ensure_ascii=False) for policy in shown]
    return DRAFT.render(
        examples="\n".join(examples),
        domain=commission.domain,
        operator=commission.operator,
        concern=commission.concern,
        kind=_KINDS[commission.kind],
        count=str(PER_REQUEST),
    )


def read_policies(answer: str, commission: Commission) -> tuple[list[Policy], Counter[str]]:
    """Return the policies of an answer, and how many could not be used, by reason.

    The reasons are ``empty``, ``too_long``, ``label`` and ``template`` (of the description), ``list`` (one that the
    kind needs is missing), ``invalid``, and the codes of the linter's errors, such as ``contradiction``.
    """
    found: list[Policy] = []
    rejected: Counter[str] = Counter()
    for row in _rows(answer):
        policy = _policy(row, commission)
        if isinstance(policy, Policy):
            found.append(policy)
        else:
            rejected[policy] += 1
    return found, rejected


def _rows(answer: str) -> list[dict[str, Any]]:
    """Return the objects that have a description, by the first of its names that occurs."""
    return next((rows for name in _NAMES["description"] if (rows := read_keyed(answer, name))), [])


def _policy(row: Mapping[str, Any], commission: Commission) -> Policy | str:
    """Make a policy of an object, or say why it is none."""
    description = " ".join(_text(_value(row, "description")).split())
    lists = {name: _lines(_value(row, name)) for name in ("allowed", "disallowed")}
    if fault := fault_of(description, max_chars=MAX_CHARS) or _copied(description):
        return fault
    if not all(lists[name] for name in _NEEDED[commission.kind]):
        return "list"
    title = " ".join(_text(_value(row, "title")).split())[:120]
    try:
        policy = _named(title, commission, description, lists)
    except InvalidPolicy:
        return "invalid"
    return next((finding.code for finding in lint(policy) if finding.severity == "error"), policy)


def _copied(description: str) -> str:
    folded = description.casefold()
    return "template" if any(sentence in folded for sentence in _INSTRUCTED) else ""


def _named(title: str, commission: Commission, description: str, lists: Mapping[str, tuple[str, ...]]) -> Policy:
    """Name a policy by its title and fingerprint, so that no two of a set have the same name."""
    slug = "-".join(re.findall(r"[a-z0-9]+", title.casefold()))[:60].strip("-") or "policy"
    policy = Policy(
        name=slug, title=title, domain=commission.domain, kind=commission.kind, description=description,
        allowed=lists["allowed"], disallowed=lists["disallowed"],
    )  # fmt: skip
    return policy.model_copy(update={"name": f"{slug}-{policy.fingerprint[:8]}"})


def _value(row: Mapping[str, Any], field: str) -> object:
    return next((row[name] for name in _NAMES[field] if row.get(name)), "")


def _text(value: object) -> str:
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(value, str) else ""


def _lines(value: object) -> tuple[str, ...]:
    """Return the lines of a list: strings, objects that hold one, or one string with a line each; none twice."""
    items: Sequence[object] = value.splitlines() if isinstance(value, str) else value if isinstance(value, list) else ()
    lines = [" ".join(_BULLET.sub("", _text(_inner(item))).split()) for item in items]
    first: dict[str, str] = {}
    for line in lines:
        if line and len(line) <= MAX_CHARS:
            first.setdefault(line.casefold(), line)
    return tuple(first.values())


def _inner(item: object) -> object:
    return next(iter(item.values()), "") if isinstance(item, dict) else item
