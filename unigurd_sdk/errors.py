"""Every error that this package raises on purpose, as one tree.

::

    UnigurdError
    ├── ConfigError (ValueError)          an argument, setting or combination of them is wrong
    ├── PolicyError
    │   ├── UnknownPolicy (KeyError)      .name .known .close
    │   ├── PolicyConflict                .name .existing .incoming
    │   └── InvalidPolicy (ValueError)    .reason .path .line .locations
    ├── ModelError
    │   ├── ModelNotFound (LookupError)   .name .looked_in
    │   ├── ModelCorrupt                  .file .expected .actual
    │   └── ModelIncompatible             .reason
    ├── MissingExtra (ImportError)        .package .extra
    ├── PluginError                       .plugin .hook .reason
    ├── InferenceError                    .policy .reason
    ├── LimitExceeded                     .what .limit .actual
    ├── CheckTimeout (TimeoutError)       .seconds
    ├── PromptBlocked                     .verdict
    └── GuardClosed

Catch `UnigurdError` to catch all of them. The second base in brackets lets code that knows only the
standard library catch them too. Each class carries its data as attributes, so nobody has to parse a message.
No error carries or prints the text that was checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unigurd_sdk.verdict import Report, Verdict

__all__ = [
    "CheckTimeout",
    "ConfigError",
    "GuardClosed",
    "InferenceError",
    "InvalidPolicy",
    "LimitExceeded",
    "MissingExtra",
    "ModelCorrupt",
    "ModelError",
    "ModelIncompatible",
    "ModelNotFound",
    "PluginError",
    "PolicyConflict",
    "PolicyError",
    "PromptBlocked",
    "UnigurdError",
    "UnknownPolicy",
]


class UnigurdError(Exception):
    """Root of every error of this package; each message says what is wrong and what to do next."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep message and attributes when the error is copied or crosses a process boundary."""
        return _rebuild, (type(self), self.args, dict(self.__dict__))


class ConfigError(UnigurdError, ValueError):
    """An argument, a setting, or a combination of them is wrong."""


class PolicyError(UnigurdError):
    """Something is wrong with a policy or with how it is named."""


class UnknownPolicy(PolicyError, KeyError):
    """No policy has this name. A `KeyError`, so that registries are mappings like any other.

    Attributes:
        name: The name that was asked for.
        known: Every name there is.
        close: Known names that look alike, best first.
    """

    def __init__(self, name: str, *, known: Iterable[str] = (), close: Sequence[str] = ()) -> None:
        self.name = name
        self.known = tuple(sorted(known))
        self.close = tuple(close)
        guess = f" Did you mean {_either(self.close)}?" if self.close else ""
        super().__init__(
            f"No policy is named {name!r}.{guess} `unigurd policies` lists all of them; "
            "a sentence, a Policy, or a path to a YAML or TOML file works as well."
        )

    def __str__(self) -> str:
        """Return the message as it is; `KeyError` would quote it."""
        return str(self.args[0])


class PolicyConflict(PolicyError):
    """Two different policies claim the same name."""

    def __init__(self, name: str, *, existing: str, incoming: str) -> None:
        self.name = name
        self.existing = existing
        self.incoming = incoming
        super().__init__(
            f"The policy name {name!r} from {incoming} is already taken by the one from {existing}. "
            "Rename one of them, or pass replace=True to overwrite it."
        )


class InvalidPolicy(PolicyError, ValueError):
    """A policy could not be read or breaks a rule.

    Attributes:
        reason: What is wrong and how to mend it.
        path: The file it came from, or None.
        line: The 1-based line in that file, where it is known.
        locations: The fields concerned, dotted, such as ``disallowed.2``.
    """

    def __init__(
        self,
        reason: str,
        *,
        path: Path | str | None = None,
        line: int | None = None,
        locations: Sequence[str] = (),
    ) -> None:
        self.reason = reason
        self.path = None if path is None else Path(path)
        self.line = line
        self.locations = tuple(locations)
        where = "" if self.path is None else f" in {self.path}"
        where += "" if line is None else f", line {line}"
        super().__init__(f"Invalid policy{where}: {reason}")


class ModelError(UnigurdError):
    """Something is wrong with a checkpoint."""


class ModelNotFound(ModelError, LookupError):
    """No checkpoint was found under this name."""

    def __init__(self, name: str, *, looked_in: Iterable[Path | str] = (), hint: str = "") -> None:
        self.name = name
        self.looked_in = tuple(str(place) for place in looked_in)
        places = f" Looked in: {', '.join(self.looked_in)}." if self.looked_in else ""
        advice = hint or "Check the spelling, give a checkpoint folder, or use the bundled 'uniguard'."
        super().__init__(f"No checkpoint is called {name!r}.{places} {advice}")


class ModelCorrupt(ModelError):
    """A file of a checkpoint is not what its manifest promises."""

    def __init__(self, file: Path | str, *, expected: str, actual: str) -> None:
        self.file = Path(file)
        self.expected = expected
        self.actual = actual
        super().__init__(
            f"The checkpoint file {file} is damaged: expected {expected}, found {actual}. "
            "Delete the checkpoint folder and download or export it again."
        )


class ModelIncompatible(ModelError):
    """A checkpoint is intact, but this version of the package cannot run it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class MissingExtra(UnigurdError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, *, extra: str, purpose: str = "") -> None:
        self.package = package
        self.extra = extra
        need = f"{purpose} needs" if purpose else "This needs"
        super().__init__(
            f"{need} the package {package!r}, which is not installed. Run: pip install 'unigurd-sdk[{extra}]'"
        )


class PluginError(UnigurdError):
    """A plugin failed or broke its contract; the check it took part in is not safe."""

    def __init__(self, plugin: str, *, hook: str, reason: str = "it raised an error") -> None:
        self.plugin = plugin
        self.hook = hook
        self.reason = reason
        super().__init__(
            f"The plugin {plugin!r} failed in {hook}: {reason}. Update it, or leave it out of UNIGURD_PLUGINS."
        )


class InferenceError(UnigurdError):
    """The model could not score a text; the text counts as not checked, never as safe."""

    def __init__(self, reason: str, *, policy: str = "") -> None:
        self.reason = reason
        self.policy = policy
        about = f" under the policy {policy!r}" if policy else ""
        super().__init__(f"The check{about} failed: {reason}. Treat the text as not checked and try again.")


class LimitExceeded(UnigurdError):
    """A text is larger than a limit of the guard; nothing was cut off and nothing was decided."""

    def __init__(self, what: str, *, limit: int, actual: int) -> None:
        self.what = what
        self.limit = limit
        self.actual = actual
        super().__init__(
            f"The text has {actual} {what}, more than the limit of {limit}. "
            "Raise the limit of the guard, or split the text."
        )


class CheckTimeout(UnigurdError, TimeoutError):
    """A check took longer than its time limit; the text counts as not checked, never as safe."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(
            f"The check took longer than {seconds:g} s and was given up. Treat the text as not checked; "
            "raise timeout=, or check shorter texts."
        )


class PromptBlocked(UnigurdError):
    """A text violates a policy and the caller asked for an error in that case.

    Attributes:
        verdict: The `Verdict` or `Report` that says so.
    """

    def __init__(self, verdict: Verdict | Report) -> None:
        self.verdict = verdict
        worst: Any = getattr(verdict, "worst", verdict)
        super().__init__(
            f"Blocked by the policy {worst.policy!r} "
            f"(score {worst.score:.3f}, threshold {worst.threshold:.3f}). "
            "Do not pass the text on; the attribute `verdict` has the details."
        )


class GuardClosed(UnigurdError):
    """A guard was used after `close()`."""

    def __init__(self) -> None:
        super().__init__("This guard is closed. Load a new one with Guard.from_pretrained(...).")


def _rebuild(cls: type[UnigurdError], args: tuple[Any, ...], attributes: dict[str, Any]) -> UnigurdError:
    error = cls.__new__(cls, *args)
    error.args = args  # an OSError such as CheckTimeout does not take them in __new__
    error.__dict__.update(attributes)
    return error


def _either(names: Sequence[str]) -> str:
    quoted = [repr(name) for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
