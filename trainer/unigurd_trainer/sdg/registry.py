"""The generators there are: the built-in ones, and those of plugins in the entry-point group `unigurd_trainer`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import pluggy

from unigurd_trainer.plugins import choose, collect, manage
from unigurd_trainer.sdg.hooks import Generator, hookimpl

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
    return choose(name, generators() if known is None else known, "generator")


@cache
def generators() -> Mapping[str, Generator]:
    """Return all generators by name, with those of installed plugins."""
    return _collect(manage([BuiltinGenerators()], installed=True))


def load_generators(plugins: Iterable[object]) -> Mapping[str, Generator]:
    """Return the generators of these plugins by name.

    Raises:
        PluginError: A hook raised, a generator is none, or its name is taken.
    """
    return _collect(manage(plugins))


def _collect(manager: pluggy.PluginManager) -> Mapping[str, Generator]:
    return collect(manager, "provide_generators", _name, "no generator; it needs `name` and `generate`")


def _name(thing: object) -> str | None:
    return thing.name if isinstance(thing, Generator) else None
