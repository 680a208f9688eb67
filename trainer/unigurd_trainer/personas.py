"""Personas: a text set into a benign instruction that gives the assistant a role.

Public data teach a guard that long prompts which say "act as" are attacks, because nearly all of theirs are. Setting
harmless and harmful texts alike into such instructions takes the cue away: the label stays that of the text.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

import yaml

__all__ = ["in_persona", "persona"]


def persona(rng: random.Random) -> str:
    """Return an instruction of 2 to 12 sentences that gives a role."""
    words = _wordings()
    role, field = rng.choice(words["roles"]), rng.choice(words["fields"])
    sentences = [
        rng.choice(words["openers"]),
        *rng.sample(words["duties"], rng.randint(1, 5)),
        *rng.sample(words["rules"], min(rng.randint(0, 5), rng.randint(0, 6))),
    ]
    return _separator(rng).join(each.replace("{role}", role).replace("{field}", field) for each in sentences)


def in_persona(text: str, rng: random.Random) -> str:
    """Return such an instruction with the text as its request."""
    closing = rng.choice(_wordings()["closings"]).replace("{request}", text)
    return persona(rng) + _separator(rng) + closing


def _separator(rng: random.Random) -> str:
    return rng.choice((" ", " ", "\n", "\n\n"))


@cache
def _wordings() -> Mapping[str, Sequence[str]]:
    text = resources.files("unigurd_trainer").joinpath("personas.yaml").read_text(encoding="utf-8")
    wordings: Mapping[str, Sequence[str]] = yaml.safe_load(text)
    return wordings
