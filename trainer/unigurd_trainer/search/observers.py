"""Observers of trials: plugins with the hook `on_trial`. What goes wrong in one is logged and stops nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from unigurd_trainer.plugins import manage
from unigurd_trainer.search.trial import Trial

__all__ = ["trial_observer"]

log = logging.getLogger(__name__)


def trial_observer(plugins: Iterable[object] = (), *, installed: bool = False) -> Callable[[Trial], None]:
    """Return what tells every plugin of a trial, with `installed` also those of installed packages."""
    manager = manage(plugins, installed=installed)

    def observe(trial: Trial) -> None:
        for implementation in manager.hook.on_trial.get_hookimpls():
            try:
                implementation.function(*[trial][: len(implementation.argnames)])
            except Exception:
                log.exception("on_trial of %s failed at trial %d", implementation.plugin_name, trial.number)

    return observe
