"""The plan of a run: a seeded, balanced sequence of controls, one per sample (paper, section 3.1).

Samples come in pairs, one safe and one unsafe, that agree in persona, length, language, style and augmentation, so
none of these can give the label away. Behaviours and difficulties are dealt in turn. The plan for a smaller count is
the beginning of the plan for a larger one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Literal, TypeVar

from unigurd_sdk.policy import Policy
from unigurd_trainer.sdg.samples import Control

__all__ = [
    "AUGMENTS",
    "DIFFICULTIES",
    "LENGTHS",
    "PERSONAS",
    "STYLES",
    "Axes",
    "Difficulty",
    "endless",
    "label_of",
    "plan",
]

Difficulty = Literal["plain", "borderline", "adversarial"]
DIFFICULTIES: tuple[Difficulty, ...] = ("plain", "borderline", "adversarial")
LENGTHS = ("short", "medium", "long")
STYLES = ("question", "command", "chat message", "story or scenario", "email or form", "list of points")
AUGMENTS = ("", "", "", "", "typing", "context", "light")
"""What is done to the form; what occurs twice is twice as frequent. `light` is done here, the others by the LLM."""

PERSONAS = (
    "a student", "a parent", "a small-business owner", "a nurse", "a retired engineer", "a customer in a hurry",
    "a teacher", "a software developer", "a journalist", "an office worker", "a teenager", "a tradesperson",
    "someone who writes in a second language", "a researcher", "a manager", "a frustrated customer",
)  # fmt: skip

OFF_TOPIC_SHARE = 0.2
"""Greatest share of a side that is off topic."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Axes:
    """What a plan varies; a value that occurs twice is drawn twice as often."""

    difficulties: Sequence[str] = DIFFICULTIES
    personas: Sequence[str] = PERSONAS
    lengths: Sequence[str] = LENGTHS
    languages: Sequence[str] = ("en",)
    styles: Sequence[str] = STYLES
    augments: Sequence[str] = AUGMENTS


def label_of(policy: Policy, control: Control) -> int:
    """Return the label that a text written to this control has: 1 unsafe, 0 safe.

    What is off topic is unsafe only where the policy says that it is a ``scope``: nothing else is welcome.
    """
    off_limits = control.listed == "none" and policy.kind == "scope"
    return int(control.listed == "disallowed" or off_limits)


def plan(policy: Policy, count: int, seed: int = 0, axes: Axes | None = None) -> list[Control]:
    """Return `count` controls, safe and unsafe in turn, beginning with safe."""
    axes = axes or Axes()
    sides = (_side(policy, 0, seed, axes), _side(policy, 1, seed, axes))
    return [next(side) for side in islice(cycle(sides), max(0, count))]


def _side(policy: Policy, label: int, seed: int, axes: Axes) -> Iterator[Control]:
    def dealt(name: str, values: Sequence[T]) -> Iterator[T]:
        return endless(values, random.Random(f"{name}:{seed}"))

    topics = dealt(f"topic:{label}", _topics(policy, label))
    difficulties = _by_topic(lambda topic: dealt(f"difficulty:{label}:{topic}", axes.difficulties))
    shared = zip(  # the same on both sides
        dealt("persona", axes.personas),
        dealt("length", axes.lengths),
        dealt("language", axes.languages),
        dealt("style", axes.styles),
        dealt("augment", axes.augments),
        strict=False,
    )
    for (behaviour, listed), (persona, length, language, style, augment) in zip(topics, shared, strict=False):
        difficulty = difficulties(behaviour, listed)
        yield Control(behaviour, listed, difficulty, persona, length, language, style, augment)


def _topics(policy: Policy, label: int) -> list[tuple[str, str]]:
    """List what the texts of a side are about, (behaviour, listed); an empty behaviour is any that fits."""
    listed, behaviours = ("disallowed", policy.disallowed) if label else ("allowed", policy.allowed)
    off_topic = [("", "none")] if _has_off_topic(policy, label) else []
    if label and policy.kind == "scope" and not behaviours:
        return off_topic
    topics = [(behaviour, listed) for behaviour in behaviours] or [("", listed)]
    repeats = -(-round(1 / OFF_TOPIC_SHARE - 1) // len(topics)) if off_topic else 1
    return topics * repeats + off_topic


def _has_off_topic(policy: Policy, label: int) -> bool:
    """Say whether off-topic texts belong on a side; a ``mixed`` policy does not say what they are."""
    return policy.kind != "mixed" and label_of(policy, Control()) == label


def endless(values: Sequence[T], rng: random.Random) -> Iterator[T]:
    """Deal the values for ever, each as often as the others, every time in another order."""
    hand = list(values)
    while True:
        rng.shuffle(hand)
        yield from hand


def _by_topic(make: Callable[[str], Iterator[str]]) -> Callable[[str, str], str]:
    decks: dict[str, Iterator[str]] = {}

    def draw(behaviour: str, listed: str) -> str:
        topic = f"{listed}:{behaviour}"
        if topic not in decks:
            decks[topic] = make(topic)
        return next(decks[topic])

    return draw
