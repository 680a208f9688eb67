"""What a protected function does about a violation."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from unigurd_sdk.errors import ConfigError, PromptBlocked
from unigurd_sdk.judge import Answer, worst

log = logging.getLogger(__name__)

_Named = Literal["raise", "return", "log"]

OnViolation: TypeAlias = _Named | Callable[[Answer], object]
"""Raise `PromptBlocked`, return the fallback, only log it, or return what a function makes of the verdict."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The function is not called, or its result does not leave; `value` is returned instead."""

    value: object


@dataclass(frozen=True, slots=True)
class Reaction:
    """Decides what follows from an answer; `name` is the function's, for the log."""

    on_violation: OnViolation
    fallback: object
    name: str

    def __post_init__(self) -> None:
        """Refuse an unknown reaction, and a fallback that would never be returned."""
        if not callable(self.on_violation) and self.on_violation not in get_args(_Named):
            names = ", ".join(map(repr, get_args(_Named)))
            raise ConfigError(f"on_violation must be {names} or a function, not {self.on_violation!r}.")
        if self.fallback is not None and self.on_violation != "return":
            raise ConfigError('fallback= goes with on_violation="return" only.')

    def __call__(self, answer: Answer) -> Stop | None:
        """Return what to return instead, or None to go on; or raise `PromptBlocked`."""
        if not answer.unsafe:
            return None
        if callable(self.on_violation):
            return Stop(self.on_violation(answer))
        if self.on_violation == "raise":
            raise PromptBlocked(answer)
        if self.on_violation == "return":
            return Stop(self.fallback)
        found = worst(answer)
        log.warning("%s: the policy %r is violated, score %.3f (let pass)", self.name, found.policy, found.score)
        return None
