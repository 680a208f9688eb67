"""The policies that a guard knows by name, and what a caller may write in place of a name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from importlib import resources
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING

from unigurd_sdk.errors import ConfigError, PolicyConflict, UnknownPolicy
from unigurd_sdk.policy import Policy, is_policy_path, is_sentence

if TYPE_CHECKING:
    import os

__all__ = ["PolicyRegistry", "builtin_policies", "example_policies"]


@cache
def builtin_policies() -> Mapping[str, Policy]:
    """Return the policies that this package ships, by name; read once, at the first call."""
    return _packaged("policies")


@cache
def example_policies() -> Mapping[str, Policy]:
    """Return the shipped examples of custom policies, by name: starting points to copy."""
    return _packaged("policies", "examples")


@dataclass(frozen=True, slots=True)
class _Entry:
    policy: Policy
    source: str


class PolicyRegistry(Mapping[str, Policy]):
    """A mapping from name to policy that can grow; safe to share between threads.

    It starts with the built-in policies and the examples, unless `builtin` is False. A missing name raises
    `UnknownPolicy`, a `KeyError` that carries the names that look alike.
    """

    def __init__(self, policies: Iterable[Policy] = (), *, builtin: bool = True) -> None:
        """Take the shipped policies and add `policies` to them."""
        self._lock = Lock()
        self._entries: dict[str, _Entry] = dict(_shipped()) if builtin else {}
        for policy in policies:
            self.add(policy)

    def add(self, policy: Policy, *, source: str = "code", replace: bool = False) -> None:
        """Add a policy under its name.

        Args:
            policy: The policy.
            source: Where it comes from, for listings and errors: a file, a plugin.
            replace: Whether it may take the place of a different policy of the same name.

        Raises:
            PolicyConflict: A different policy has this name and `replace` is False.
        """
        with self._lock:  # readers never lock: they see the old dict or the new one, both whole
            held = self._entries.get(policy.name)
            if held is not None and held.policy != policy and not replace:
                raise PolicyConflict(policy.name, existing=held.source, incoming=source)
            if held is None or held.policy != policy:
                self._entries = {**self._entries, policy.name: _Entry(policy, source)}

    def source(self, name: str) -> str:
        """Return where a policy comes from: ``built-in``, ``example``, ``code``, or what `add` was told."""
        return self._entry(name).source

    def close(self, name: str) -> tuple[str, ...]:
        """Return up to three known names that look like `name`, best first."""
        return tuple(difflib.get_close_matches(_slug(name), self._entries, n=3))

    def resolve(self, policy: str | Path | Policy) -> Policy:
        """Turn what a caller may write into a policy: a `Policy`, a known name, a path, or a plain sentence.

        A file is read again only when it has changed. Nothing is added to the registry.

        Raises:
            UnknownPolicy: A single word that is no known name, or a known name with blanks or capitals.
            InvalidPolicy: The file or the sentence is no policy.
            ConfigError: The value is of none of these types.
        """
        if isinstance(policy, Policy):
            return policy
        if not isinstance(policy, (str, Path)):
            raise ConfigError(f"policy must be a name, a sentence, a path or a Policy, not {type(policy).__name__}.")
        if isinstance(policy, str) and policy in self._entries:
            return self._entries[policy].policy
        if is_policy_path(policy):
            return _read(Path(policy))
        text = str(policy)
        if is_sentence(text) and _slug(text) not in self._entries:
            return Policy.from_text(text)
        raise self._unknown(text)

    def __getitem__(self, name: str) -> Policy:
        """Return the policy of this name; raise `UnknownPolicy` with the names that look alike."""
        return self._entry(name).policy

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names known at this moment; built-in policies first."""
        return iter(self._entries)

    def __len__(self) -> int:
        """Return how many policies there are."""
        return len(self._entries)

    def _entry(self, name: str) -> _Entry:
        try:
            return self._entries[name]
        except KeyError:
            raise self._unknown(name) from None

    def _unknown(self, name: str) -> UnknownPolicy:
        return UnknownPolicy(name, known=self._entries, close=self.close(name))


@cache
def _shipped() -> Mapping[str, _Entry]:
    shipped = {name: _Entry(policy, "built-in") for name, policy in builtin_policies().items()}
    return shipped | {name: _Entry(policy, "example") for name, policy in example_policies().items()}


def _packaged(*folders: str) -> Mapping[str, Policy]:
    folder = reduce(lambda parent, name: parent / name, folders, resources.files("unigurd_sdk"))
    files = (file for file in folder.iterdir() if file.name.endswith(".yaml"))
    policies = [Policy.from_source(file.read_text("utf-8"), path=Path(file.name)) for file in files]
    return MappingProxyType({policy.name: policy for policy in sorted(policies, key=lambda p: p.name)})


def _read(path: Path) -> Policy:
    try:
        return _read_version(path.resolve(), _version(path.stat()))
    except OSError:
        return Policy.from_file(path)  # raises the error that names the file and the cause


def _version(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


@lru_cache(maxsize=64)
def _read_version(path: Path, version: tuple[int, int, int]) -> Policy:
    return Policy.from_file(path)


def _slug(text: str) -> str:
    return "-".join(text.lower().replace("_", " ").split())
