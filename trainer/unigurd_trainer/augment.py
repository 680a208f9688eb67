"""Augmentation: light changes to a prompt that keep its meaning, against guards that lean on typing style."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

__all__ = ["augment"]

FRAMES = (
    "please {}",
    "hi, {}",
    "hello! {}",
    "hey there, {}",
    "{} please",
    "{}, thanks",
    "{} thank you!",
    "i have a question: {}",
    "quick one: {}",
    "can you help me with this? {}",
    "good morning. {}",
    "ok so {}",
)

MARKS = re.compile(r"[.,!?;:'\"]+")


def augment(text: str, rng: random.Random) -> str:
    """Return the text with one random change of casing, punctuation, spelling or politeness."""
    return rng.choice(CHANGES)(text, rng)


def _casing(text: str, rng: random.Random) -> str:
    style = rng.random()
    if style < 0.15:
        return text.upper()
    return text.lower() if style < 0.6 else text[:1].upper() + text[1:]


def _no_marks(text: str, rng: random.Random) -> str:
    return MARKS.sub("", text).strip() or text


def _typo(text: str, rng: random.Random) -> str:
    places = [at for at in range(len(text) - 1) if text[at].isalpha() and text[at + 1].isalpha()]
    if not places:
        return text
    at, style = rng.choice(places), rng.random()
    if style < 0.4:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + text[at + 1 :] if style < 0.75 else text[: at + 1] + text[at:]


def _frame(text: str, rng: random.Random) -> str:
    return rng.choice(FRAMES).replace("{}", text)


CHANGES: tuple[Callable[[str, random.Random], str], ...] = (_casing, _no_marks, _typo, _frame)
