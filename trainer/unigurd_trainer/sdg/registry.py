"""The generators there are: the built-in ones, and those of plugins in the entry-point group `unigurd_trainer`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import pluggy

from unigurd_sdk.errors import PluginError
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.sdg.hooks import GROUP, Generator, Hooks, hookimpl

__all__ = ["BuiltinGenerators", "find_generator", "generators", "load_generators"]


class BuiltinGenerators:
    """The plugin that holds the generators of this package."""

    @hookimpl
    def provide_generators(self) -> Sequence[Generator]:
        """Return `llm`, which asks an endpoint, and `offline`, which needs none."""
        from unigurd_trainer.sdg.llm import LlmGenerator
        from unigurd_trainer.sdg.offline import OfflineGenerator

        return [LlmGenerator(), OfflineGenerator()]


def find_generator(name: str, known: Mapping[str, Generator] | None = None) -> Generator:
    """Return the generator of this name; RecipeError that names near ones if there is none."""
    known = generators() if known is None else known
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    guess = f" Did you mean {close[0]!r}?" if close else ""
    raise RecipeError(f"No generator is named {name!r}.{guess} There are: {', '.join(sorted(known))}.")


@cache
def generators() -> Mapping[str, Generator]:
    """Return all generators by name, with those of installed plugins."""
    manager = _manager([BuiltinGenerators()])
    manager.load_setuptools_entrypoints(GROUP)
    return _collect(manager)


def load_generators(plugins: Iterable[object]) -> Mapping[str, Generator]:
    """Return the generators of these plugins by name.

    Raises:
        PluginError: A hook raised, a generator is none, or its name is taken.
    """
    return _collect(_manager(plugins))


def _manager(plugins: Iterable[object]) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(Hooks)
    for plugin in plugins:
        manager.register(plugin)
    return manager


def _collect(manager: pluggy.PluginManager) -> Mapping[str, Generator]:
    _check_hooks(manager)
    found: dict[str, Generator] = {}
    owners: dict[str, str] = {}
    for implementation in manager.hook.provide_generators.get_hookimpls():
        plugin = _plugin_name(implementation)
        for generator in _provided(implementation, plugin):
            if generator.name in found:
                reason = f"the generator name {generator.name!r} is taken by {owners[generator.name]}"
                raise PluginError(plugin, hook="provide_generators", reason=reason)
            found[generator.name], owners[generator.name] = generator, plugin
    return found


def _check_hooks(manager: pluggy.PluginManager) -> None:
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(type(error.plugin).__name__, hook="provide_generators", reason=str(error)) from error


def _provided(implementation: pluggy.HookImpl, plugin: str) -> Sequence[Generator]:
    provided: Any = implementation.function()
    for generator in provided:
        if not isinstance(generator, Generator):
            reason = f"{generator!r} is no generator; it needs `name` and `generate`"
            raise PluginError(plugin, hook="provide_generators", reason=reason)
    return tuple(provided)


def _plugin_name(implementation: pluggy.HookImpl) -> str:
    plugin = implementation.plugin
    return getattr(plugin, "__name__", type(plugin).__name__)
