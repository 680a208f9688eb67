"""Plugins of the trainer: they are registered, asked for what they provide, and held to their word."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import pluggy

from unigurd_sdk.errors import PluginError
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.hooks import GROUP, Hooks

__all__ = ["choose", "collect", "manage"]

Thing = TypeVar("Thing")


def manage(plugins: Iterable[object], *, installed: bool = False) -> pluggy.PluginManager:
    """Register plugins, with `installed` also those of installed packages."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(Hooks)
    for plugin in plugins:
        manager.register(plugin)
    if installed:
        manager.load_setuptools_entrypoints(GROUP)
    return manager


def collect(
    manager: pluggy.PluginManager, hook: str, name_of: Callable[[object], str | None], form: str
) -> dict[str, Thing]:
    """Ask all plugins what a hook provides; returns it by name.

    Args:
        manager: Has the plugins.
        hook: Name of the hook.
        name_of: Gives the name of what a plugin provides, or None if it is not of the right form.
        form: What the right form is, as in "no generator; it needs `name` and `generate`".

    Raises:
        PluginError: A plugin has a hook that there is not, provides something of another form, or takes a name twice.
    """
    _check_hooks(manager, hook)
    found: dict[str, Thing] = {}
    owners: dict[str, str] = {}
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        plugin = getattr(implementation.plugin, "__name__", type(implementation.plugin).__name__)
        for thing in _provided(implementation):
            name = name_of(thing)
            if name is None:
                raise PluginError(plugin, hook=hook, reason=f"{thing!r} is {form}")
            if name in found:
                raise PluginError(plugin, hook=hook, reason=f"the name {name!r} is taken by {owners[name]}")
            found[name], owners[name] = thing, plugin
    return found


def choose(name: str, known: Mapping[str, Thing], what: str) -> Thing:
    """Return what has this name; RecipeError that names near ones if there is none."""
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    guess = f" Did you mean {close[0]!r}?" if close else ""
    raise RecipeError(f"No {what} is named {name!r}.{guess} There are: {', '.join(sorted(known))}.")


def _check_hooks(manager: pluggy.PluginManager, hook: str) -> None:
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(type(error.plugin).__name__, hook=hook, reason=str(error)) from error


def _provided(implementation: pluggy.HookImpl) -> tuple[Any, ...]:
    provided: Any = implementation.function()
    return tuple(provided)
