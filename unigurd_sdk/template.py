"""How a policy and a text become what the model reads: the one template that training and serving share.

A policy becomes lines, each with a polarity: the sentences and list items of its description, then its allowed and
disallowed behaviours. A text becomes a role marker and the text itself. Nothing else of a policy is read: not its
name, title or examples. Change what is rendered here, or how the tokenizer spells it (emoji), and `TEMPLATE_VERSION`
must change too, since checkpoints depend on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from unigurd_sdk.policy import Policy

TEMPLATE_VERSION = 2
"""Version of the rendering below; a checkpoint's manifest names the one it was trained with."""

Role = Literal["user", "assistant", "document"]
"""Who wrote the text: the user (a prompt), the assistant (a response) or a tool or source (a document)."""

ROLES: tuple[Role, ...] = get_args(Role)

_BULLET = re.compile(r"^\s*(?:[-*\u2013\u2022]|\[ ?\]|\(?[0-9ivx]{1,4}[.)]|\(?[a-z][.)])\s+", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(\u201c])")
_MARKERS: dict[Role, str] = {"user": "Query: ", "assistant": "Response: ", "document": "Document: "}


class Polarity(IntEnum):
    """What a policy line says: what the policy is about, what it allows, or what it disallows."""

    DESCRIPTION = 0
    ALLOWED = 1
    DISALLOWED = 2


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a policy and its polarity."""

    text: str
    polarity: Polarity


PLAIN = "Judge the text alone."
"""The one line of any policy for a checkpoint that was trained to read texts alone (`plain` in its manifest)."""


def policy_lines(policy: Policy, *, plain: bool = False) -> tuple[Line, ...]:
    """Render a policy: its description sentence by sentence, then its allowed, then its disallowed behaviours."""
    if plain:
        return (Line(PLAIN, Polarity.DESCRIPTION),)
    described = (Line(text, Polarity.DESCRIPTION) for text in split_sentences(policy.description))
    allowed = (Line(text, Polarity.ALLOWED) for text in policy.allowed)
    disallowed = (Line(text, Polarity.DISALLOWED) for text in policy.disallowed)
    return (*described, *allowed, *disallowed)


def split_sentences(text: str) -> list[str]:
    """Split prose and lists into sentences and items, without their bullets; never empty for a non-blank text."""
    rows = (_BULLET.sub("", row).strip() for row in text.splitlines())
    return [part for row in rows if row for part in _SENTENCE_END.split(row)] or [text.strip()]


def text_prefix(role: Role, prompt: str | None = None) -> str:
    """Give what stands before the text: the role marker, and for a response the prompt that it answers."""
    if role not in _MARKERS:
        raise ValueError(f"role must be one of {', '.join(ROLES)}, not {role!r}")
    if prompt is not None and role == "assistant":
        return f"{_MARKERS['user']}{prompt}\n{_MARKERS['assistant']}"
    return _MARKERS[role]
