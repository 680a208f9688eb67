"""The merge methods there are: the built-in ones, and those of plugins in the entry-point group `unigurd_trainer`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from inspect import isabstract

import pluggy

from unigurd_trainer.hooks import hookimpl
from unigurd_trainer.merge.method import MergeMethod
from unigurd_trainer.plugins import choose, collect, manage

__all__ = ["BuiltinMethods", "find_method", "load_methods", "methods"]


class BuiltinMethods:
    """The plugin that holds the merge methods of this package."""

    @hookimpl
    def provide_merge_methods(self) -> Sequence[type[MergeMethod]]:
        """Return model soup, SLERP, task arithmetic, TIES and DARE."""
        from unigurd_trainer.merge.dare import Dare
        from unigurd_trainer.merge.slerp import Slerp
        from unigurd_trainer.merge.soup import Average
        from unigurd_trainer.merge.task_vectors import TaskArithmetic
        from unigurd_trainer.merge.ties import Ties

        return [Average, Slerp, TaskArithmetic, Ties, Dare]


def find_method(name: str, known: Mapping[str, type[MergeMethod]] | None = None) -> type[MergeMethod]:
    """Return the merge method of this name; RecipeError that names near ones if there is none."""
    return choose(name, methods() if known is None else known, "merge method")


@cache
def methods() -> Mapping[str, type[MergeMethod]]:
    """Return all merge methods by name, with those of installed plugins."""
    return _collect(manage([BuiltinMethods()], installed=True))


def load_methods(plugins: Iterable[object]) -> Mapping[str, type[MergeMethod]]:
    """Return the merge methods of these plugins by name.

    Raises:
        PluginError: A hook is unknown, a method is none, or its name is taken.
    """
    return _collect(manage(plugins))


def _collect(manager: pluggy.PluginManager) -> Mapping[str, type[MergeMethod]]:
    return collect(manager, "provide_merge_methods", _name, "no subclass of MergeMethod with `name` and `combine`")


def _name(thing: object) -> str | None:
    is_method = isinstance(thing, type) and issubclass(thing, MergeMethod) and not isabstract(thing)
    return getattr(thing, "name", None) if is_method else None
