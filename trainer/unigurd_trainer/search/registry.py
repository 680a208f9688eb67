"""The samplers there are: the built-in ones, and those of plugins in the entry-point group `unigurd_trainer`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from inspect import isabstract

import pluggy

from unigurd_trainer.hooks import hookimpl
from unigurd_trainer.plugins import choose, collect, manage
from unigurd_trainer.search.sampler import Sampler

__all__ = ["BuiltinSamplers", "find_sampler", "load_samplers", "samplers"]


class BuiltinSamplers:
    """The plugin that holds the samplers of this package."""

    @hookimpl
    def provide_samplers(self) -> Sequence[type[Sampler]]:
        """Return random search, epsilon-greedy, UCB, Thompson sampling and Optuna's TPE."""
        from unigurd_trainer.search.epsilon_greedy import EpsilonGreedy
        from unigurd_trainer.search.random_sampler import RandomSampler
        from unigurd_trainer.search.thompson import Thompson
        from unigurd_trainer.search.tpe import Tpe
        from unigurd_trainer.search.ucb import Ucb

        return [RandomSampler, EpsilonGreedy, Ucb, Thompson, Tpe]


def find_sampler(name: str, known: Mapping[str, type[Sampler]] | None = None) -> type[Sampler]:
    """Return the sampler of this name; RecipeError that names near ones if there is none."""
    return choose(name, samplers() if known is None else known, "sampler")


@cache
def samplers() -> Mapping[str, type[Sampler]]:
    """Return all samplers by name, with those of installed plugins."""
    return _collect(manage([BuiltinSamplers()], installed=True))


def load_samplers(plugins: Iterable[object]) -> Mapping[str, type[Sampler]]:
    """Return the samplers of these plugins by name.

    Raises:
        PluginError: A hook is unknown, a sampler is none, or its name is taken.
    """
    return _collect(manage(plugins))


def _collect(manager: pluggy.PluginManager) -> Mapping[str, type[Sampler]]:
    return collect(manager, "provide_samplers", _name, "no subclass of Sampler with `name` and `propose`")


def _name(thing: object) -> str | None:
    is_sampler = isinstance(thing, type) and issubclass(thing, Sampler) and not isabstract(thing)
    return getattr(thing, "name", None) if is_sampler else None
