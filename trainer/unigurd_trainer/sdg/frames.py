"""Frames: plain requests made of a behaviour's own words, for behaviours that the packaged texts do not cover."""

from __future__ import annotations

import re

__all__ = ["framed", "matter_of"]

LEAD = re.compile(
    r"^(users?|customers?|people|anyone|the user|messages?|requests?|questions?|enquiries|inquiries|asks?|asking|"
    r"requesting|seeking|wanting|wants?|needs?|helping|help|giving|providing|discussing|talking|chatting|answering)\b\s*"
    r"((that|who|which|to|for|about|on|with|of|regarding|concerning|asking|ask|the assistant)\b\s*)*",
    re.IGNORECASE,
)
OWN = (
    (re.compile(r"\b(one's own|one's|their own|the user's own|the user's|users'|their)\b", re.IGNORECASE), "my"),
    (re.compile(r"\b(the user|a user|users|oneself|themselves)\b", re.IGNORECASE), "me"),
)
QUESTION = re.compile(r"^(how|what|which|whether|when|where|why|who|if)\b", re.IGNORECASE)
QUESTIONS = (
    "Can you tell me {}?",
    "I want to know {}.",
    "Do you know {}?",
    "Please explain {}.",
    "I need to find out {}.",
    "Any idea {}?",
    "Tell me {}, please.",
    "{}?",
)
MATTERS = (
    "Can you help me with {}?",
    "I need help with {}.",
    "I have a question about {}.",
    "Please help me: {}.",
    "What can you tell me about {}?",
    "I'd like to talk about {}.",
    "{}, how do I go about it?",
    "Tell me about {}.",
    "I need {} today.",
    "What do you know about {}?",
)


def matter_of(behaviour: str) -> str:
    """Return what a behaviour is about, in the user's mouth: 'Asking for their own dose' -> 'my dose'."""
    matter = LEAD.sub("", behaviour.strip().rstrip(".")).strip() or behaviour.strip().rstrip(".")
    for pattern, own in OWN:
        matter = pattern.sub(own, matter)
    return matter


def framed(behaviour: str) -> tuple[str, ...]:
    """Return the distinct requests that can be made of a behaviour's own words, and of its parts."""
    matter = matter_of(behaviour)
    pieces = [] if QUESTION.match(matter) else re.split(r",\s*(?:or\b|and\b)?| or | and |;|:", matter)
    parts = [part.strip() for part in pieces if len(part.split()) > 1]
    texts = [text for part in dict.fromkeys((matter, *parts)) for text in _requests(part)]
    return tuple(dict.fromkeys(text[:1].upper() + text[1:] for text in texts))


def _requests(matter: str) -> list[str]:
    start = matter[:1].lower() + matter[1:] if not matter[:2].isupper() else matter
    return [frame.format(start) for frame in (QUESTIONS if QUESTION.match(matter) else MATTERS)]
