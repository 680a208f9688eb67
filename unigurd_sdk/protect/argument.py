"""Which argument of a call is the prompt."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from unigurd_sdk.errors import ConfigError

_BOUND = ("self", "cls")


class Argument:
    """Finds the prompt among the arguments of a call, however it is passed."""

    def __init__(self, function: Callable[..., Any], which: str | int | None = None) -> None:
        """Find the parameter: by name, by position (counted from 0 after `self`), or the first one.

        Raises:
            ConfigError: The function has no such parameter.
        """
        self._signature = inspect.signature(function)
        self._extra = ""
        names = [name for name, p in self._signature.parameters.items() if p.kind not in _VARIADIC]
        if names[:1] and names[0] in _BOUND:
            names = names[1:]
        self.name = self._named(which, names) if isinstance(which, str) else _at(which or 0, names)

    def __call__(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
        """Return the argument of a call; a call that does not fit the function raises TypeError, as without us."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        place: Mapping[str, object] = bound.arguments[self._extra] if self._extra else bound.arguments
        if self.name not in place:
            raise TypeError(f"The prompt is to be the argument {self.name!r}, which this call does not have.")
        return place[self.name]

    def _named(self, name: str, names: list[str]) -> str:
        """Check a name; a function with ``**kwargs`` may take it there."""
        if name not in names:
            kinds = {p.kind: key for key, p in self._signature.parameters.items()}
            self._extra = kinds.get(inspect.Parameter.VAR_KEYWORD, "")
            if not self._extra:
                raise ConfigError(f"argument={name!r}, but the parameters are {', '.join(names) or 'none'}.")
        return name


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _at(position: int, names: list[str]) -> str:
    if not 0 <= position < len(names):
        raise ConfigError(f"argument={position}, but the parameters are {', '.join(names) or 'none'}.")
    return names[position]
