"""The hooks of the trainer, and how third parties add to it.

A plugin is a module or an object with hooks, registered under the entry-point group ``unigurd_trainer``::

    from unigurd_trainer.hooks import hookimpl

    @hookimpl
    def provide_merge_methods():
        return [MyMethod]

What this package brings is registered the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from unigurd_trainer.merge.method import MergeMethod
    from unigurd_trainer.sdg.hooks import Generator
    from unigurd_trainer.search.sampler import Sampler
    from unigurd_trainer.search.trial import Trial

__all__ = ["GROUP", "Hooks", "hookimpl", "hookspec"]

GROUP = "unigurd_trainer"

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class Hooks:
    """Every hook; what is provided under a name that is taken is refused."""

    @hookspec
    def provide_generators(self) -> Sequence[Generator]:
        """Return generators of labelled texts (see `unigurd_trainer.sdg.hooks`)."""
        raise NotImplementedError

    @hookspec
    def provide_merge_methods(self) -> Sequence[type[MergeMethod]]:
        """Return classes of merge methods (see `unigurd_trainer.merge.method`)."""
        raise NotImplementedError

    @hookspec
    def provide_samplers(self) -> Sequence[type[Sampler]]:
        """Return classes of samplers for the merge search (see `unigurd_trainer.search.sampler`)."""
        raise NotImplementedError

    @hookspec
    def on_trial(self, trial: Trial) -> None:
        """Learn of a trial of the merge search that was just measured; an error is logged and stops nothing."""
        raise NotImplementedError
