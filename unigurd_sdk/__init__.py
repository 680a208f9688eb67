"""UniGuard: policy checks for text, on a CPU, offline.

::

    from unigurd_sdk import Guard

    guard = Guard.from_pretrained("uniguard")
    verdict = guard.check("How do I deduct my car?", policy="tax")
    print(verdict.unsafe, verdict.score)

Importing this package loads nothing else; each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unigurd_sdk.errors import (
        CheckTimeout,
        ConfigError,
        GuardClosed,
        InferenceError,
        InvalidPolicy,
        LimitExceeded,
        MissingExtra,
        ModelCorrupt,
        ModelError,
        ModelIncompatible,
        ModelNotFound,
        PluginError,
        PolicyConflict,
        PolicyError,
        PromptBlocked,
        UnigurdError,
        UnknownPolicy,
    )
    from unigurd_sdk.guard import Guard
    from unigurd_sdk.policy import Policy
    from unigurd_sdk.verdict import Report, Verdict

    __version__: str

__all__ = [
    "CheckTimeout",
    "ConfigError",
    "Guard",
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
    "Policy",
    "PolicyConflict",
    "PolicyError",
    "PromptBlocked",
    "Report",
    "UnigurdError",
    "UnknownPolicy",
    "Verdict",
    "__version__",
]

_HOMES = {"Guard": "guard", "Policy": "policy", "Report": "verdict", "Verdict": "verdict"}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Load a public name at its first use (PEP 562); every name without a home of its own is an error."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = (
        _version()
        if name == "__version__"
        else getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    )
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted({*globals(), *__all__})


def _version() -> str:
    """Read the version of the installed distribution; a bare source tree has none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("unigurd-sdk")
    except PackageNotFoundError:
        return "0+unknown"
