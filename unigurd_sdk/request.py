"""Requests: what a call of the guard asks, resolved and checked before any model runs.

Every mistake of the caller is found here and raised as such, so that it is never mistaken for a failed check.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from unigurd_sdk.errors import ConfigError
from unigurd_sdk.manifest import Manifest
from unigurd_sdk.policy import Policy
from unigurd_sdk.registry import PolicyRegistry, builtin_policies
from unigurd_sdk.template import ROLES, Role

PolicyLike: TypeAlias = str | Path | Policy
"""A policy's name, a sentence, a path to a policy file, or a `Policy`."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask about each text, with one threshold per policy; `started` is on `time.perf_counter`."""

    policies: tuple[Policy, ...]
    thresholds: tuple[float, ...]
    role: Role
    started: float

    @property
    def question(self) -> tuple[object, ...]:
        """Equal for requests whose verdicts on a text are the same, names of policies included."""
        return tuple((policy.name, policy.fingerprint) for policy in self.policies), self.thresholds, self.role


@dataclass(frozen=True, slots=True)
class Resolver:
    """Turns the arguments of a call into a request: by the known policies and the checkpoint's thresholds."""

    registry: PolicyRegistry
    manifest: Manifest
    defaults: tuple[Policy, ...]

    def request(
        self,
        policy: PolicyLike | None,
        policies: Iterable[PolicyLike] | None,
        role: Role,
        threshold: float | None,
    ) -> Request:
        """Resolve a call; raise `ConfigError` or `PolicyError` for what cannot be meant."""
        started = time.perf_counter()
        if role not in ROLES:
            raise ConfigError(f"role must be one of {', '.join(ROLES)}, not {role!r}.")
        if threshold is not None and not 0.0 <= threshold <= 1.0:
            raise ConfigError(f"threshold must lie between 0 and 1, not {threshold}.")
        asked = self._asked(policy, policies)
        limits = (self._threshold(each) if threshold is None else float(threshold) for each in asked)
        return Request(asked, tuple(limits), role, started)

    def _asked(self, policy: PolicyLike | None, policies: Iterable[PolicyLike] | None) -> tuple[Policy, ...]:
        if policy is not None and policies is not None:
            raise ConfigError("Give policy= for a verdict or policies= for a report, not both.")
        if policies is not None:
            return _distinct([self.registry.resolve(each) for each in several(policies)])
        if policy is not None:
            return (self.registry.resolve(policy),)
        if len(self.defaults) == 1:
            return self.defaults
        raise ConfigError(
            "Give policy= or policies=; only a guard that was loaded with exactly one policy has a default. "
            "`guard.policies` lists the names."
        )

    def _threshold(self, policy: Policy) -> float:
        """Give the checkpoint's threshold; a policy's own one holds for its built-in wording only."""
        builtin = builtin_policies().get(policy.name)
        measured: Mapping[str, float] = {}
        if builtin is not None and builtin.fingerprint == policy.fingerprint:
            measured = self.manifest.thresholds
        return measured.get(policy.name, self.manifest.threshold)


def several(policies: Iterable[PolicyLike]) -> tuple[PolicyLike, ...]:
    """Return the policies of a list; one policy in place of a list raises `ConfigError`."""
    if isinstance(policies, (str, Path, Policy)):
        raise ConfigError("policies= takes a list; write policies=[...], or policy= for one.")
    return tuple(policies)


def refuse_types(texts: Sequence[object], prompts: Sequence[object], role: Role) -> None:
    """Refuse what is no text (TypeError), and prompts that do not go with the texts (`ConfigError`)."""
    for text in texts:
        if not isinstance(text, str):
            hint = " Decode it first." if isinstance(text, (bytes, bytearray)) else ""
            raise TypeError(f"The text to check must be a str, not {type(text).__name__}.{hint}")
    if len(prompts) != len(texts):
        raise ConfigError(f"There are {len(texts)} texts but {len(prompts)} prompts; give one each, or None.")
    for prompt in prompts:
        if prompt is not None and not isinstance(prompt, str):
            raise TypeError(f"A prompt must be a str or None, not {type(prompt).__name__}.")
        if prompt is not None and role != "assistant":
            raise ConfigError('prompt= goes with role="assistant" only: it is what the checked text answers.')


def _distinct(policies: Sequence[Policy]) -> tuple[Policy, ...]:
    names = [policy.name for policy in policies]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"policies= names {twice!r} twice; ask for each policy once.")
    if not names:
        raise ConfigError("policies= is empty; nothing checked is not safe. Name at least one policy.")
    return tuple(policies)
