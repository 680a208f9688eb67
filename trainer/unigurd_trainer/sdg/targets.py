"""Targets: what a policy asks samples for, read off its lists or, where it has none, off its description."""

from __future__ import annotations

import re
from dataclasses import dataclass

from unigurd_sdk.policy import Policy
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.wordings import CATCH_ALL

__all__ = ["FORBIDS", "ONLY", "SENTENCE", "Target", "Targets", "is_catch_all", "targets_of"]

SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
FORBIDS = re.compile(
    r"\b(not|never|no|cannot|refuse[sd]?|declines?|blocks?|avoids?|forbid(den|s)?|prohibit(ed|s)?|off[- ]limits|"
    r"disallow(ed|s)?|reject(ed|s)?|violat\w+|must stay out)\b|n't\b",
    re.IGNORECASE,
)
ONLY = re.compile(
    r"\b(only|solely|exclusively|nothing (but|else)|anything else|everything else|default deny|off topic|"
    r"out of scope|stay within|other (requests|topics|matters) are refused)\b",
    re.IGNORECASE,
)
OTHERWISE = re.compile(
    r"^((anything|everything|(any|all|every|other|requests?|questions?|messages?|topics?)( [\w-]+){0,2}),?"
    r"( that| which)?( is| are| has| have)? ?"
    r"(n't|not|other than|else|except|unrelated|outside|nothing to do|off[- ]topic)"
    r"|(any|all) other (request|topic|subject|matter)s?)\b",
    re.IGNORECASE,
)
"""Lines such as 'Any request that is not about the weather'."""


@dataclass(frozen=True, slots=True)
class Target:
    """A line of the policy that samples are wanted for, and the label that they get."""

    line: str
    label: int

    @property
    def listed(self) -> str:
        """Where the line stands: ``allowed`` or ``disallowed``."""
        return ("allowed", "disallowed")[self.label]


@dataclass(frozen=True, slots=True)
class Targets:
    """What a policy asks for.

    Attributes:
        lines: The behaviours of both lists.
        unlisted: The label of a text that is about none of them, or None where the policy does not say.
    """

    lines: tuple[Target, ...]
    unlisted: int | None


def targets_of(policy: Policy) -> Targets:
    """Read off what a policy asks for; RecipeError if it names no behaviour.

    The description stands in for the list that the kind of the policy lives by (what a ban forbids, what a scope
    permits), and for both lists, where they are empty.
    """
    listed = [(line, 0) for line in policy.allowed] + [(line, 1) for line in policy.disallowed]
    lines = [Target(line, label) for line, label in listed if not is_catch_all(line)]
    core = {"ban": 1, "scope": 0}.get(policy.kind)
    if not lines or (core is not None and all(target.label != core for target in lines)):
        lines += _described(policy, core)
    if not lines:
        raise RecipeError(
            f"The policy {policy.name!r} names no behaviour; list what is allowed and what is disallowed under it."
        )
    return Targets(tuple(lines), _unlisted(policy, lines))


def _described(policy: Policy, core: int | None) -> list[Target]:
    """Take the sentences that forbid something or permit nothing else, or by the kind, all of them."""
    sentences = [part.strip() for part in SENTENCE.split(policy.description) if part.strip()]
    forbidding = [Target(text, 1) for text in sentences if FORBIDS.search(text) and not ONLY.search(text)]
    permitting = [Target(text, 0) for text in sentences if ONLY.search(text)]
    if core is None:
        return forbidding or permitting
    return (forbidding if core else permitting) or [Target(text, core) for text in sentences]


def is_catch_all(line: str) -> bool:
    """Say whether a line stands for whatever is about none of the others, such as 'Anything else'."""
    return line.rstrip(".") in CATCH_ALL or bool(OTHERWISE.match(line.replace("n't", " n't")))


def _unlisted(policy: Policy, lines: list[Target]) -> int | None:
    for label, side in enumerate((policy.allowed, policy.disallowed)):
        if any(map(is_catch_all, side)):
            return label
    if policy.kind == "mixed":
        return 1 if ONLY.search(policy.description) else 0
    if policy.kind:
        return int(policy.kind == "scope")
    if len({target.label for target in lines}) == 1:
        return 1 - lines[0].label
    return 1 if ONLY.search(policy.description) else 0
