"""Readings: a text as one or several views read it, with the way back to the characters of the text itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from unigurd_sdk.errors import PluginError
from unigurd_sdk.timed import require_wanted
from unigurd_sdk.views.rewrite import Rewrite, Span
from unigurd_sdk.views.view import View

__all__ = ["RAW", "Reading"]

RAW = "raw"
"""Name of the reading that is the text itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What `text` became after `views`, by the rewrites `steps`, one for each view."""

    text: str
    views: tuple[str, ...] = ()
    steps: tuple[Rewrite, ...] = ()

    @property
    def name(self) -> str:
        """The names of the views in order, such as ``invisible+base64``, or ``raw``."""
        return "+".join(self.views) or RAW

    def through(self, views: Iterable[View]) -> Reading:
        """Read on through views, one after the other; those that change nothing leave no trace."""
        reading = self
        for view in views:
            require_wanted()
            step = _read(view, reading.text)
            if step is not None:
                reading = Reading(step.text, (*reading.views, view.name), (*reading.steps, step))
        return reading

    def trace(self, start: int, end: int) -> tuple[Span, bool]:
        """Which characters of the text `start`..`end` come from, and whether a view changed any of them."""
        changed = False
        for step in reversed(self.steps):
            changed = changed or step.changed(start, end)
            start, end = step.source(start, end)
        return (start, end), changed


def _read(view: View, text: str) -> Rewrite | None:
    """Apply a view; a view that fails or returns something else raises `PluginError`: the text counts as not read."""
    try:
        read = view.read(text)
    except Exception as error:
        raise PluginError(view.name, hook="provide_views", reason=f"it raised {type(error).__name__}") from error
    if isinstance(read, str):
        read = Rewrite.whole(text, read)
    if read is not None and not isinstance(read, Rewrite):
        raise PluginError(view.name, hook="provide_views", reason=f"it returned {type(read).__name__}")
    return None if read is None or read.text == text else read
