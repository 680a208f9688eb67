"""The views that a guard has by default, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from unigurd_sdk.errors import ConfigError
from unigurd_sdk.views import encodings, hidden, letters, wordplay
from unigurd_sdk.views.view import View

__all__ = ["BUILTIN_VIEWS", "Views", "choose_views"]

BUILTIN_VIEWS: tuple[View, ...] = (
    View("tags", hidden.tags, "fold"),
    View("selectors", hidden.selectors, "fold"),
    View("bits", hidden.bits, "fold"),
    View("bidi", hidden.bidi, "fold"),
    View("invisible", hidden.invisible, "fold"),
    View("compatibility", letters.compatibility, "fold"),
    View("homoglyphs", letters.homoglyphs, "fold"),
    View("diacritics", letters.diacritics, "fold"),
    View("base64", encodings.base64, "decode"),
    View("hexadecimal", encodings.hexadecimal, "decode"),
    View("url", encodings.url, "decode"),
    View("escapes", encodings.escapes, "decode"),
    View("spacing", wordplay.spacing, "guess"),
    View("joined-words", wordplay.joined_words, "guess"),
    View("leetspeak", wordplay.leetspeak, "guess"),
    View("reversed-words", wordplay.reversed_words, "guess"),
    View("reversed-text", wordplay.reversed_text, "guess"),
    View("upside-down", wordplay.upside_down, "guess"),
    View("rot13", wordplay.rot13, "guess"),
)
"""Every view of this package. The order within a kind is the order of application."""

Views = Literal["default", "none"] | Sequence[str | View]
"""All built-in views, no view, or the names of built-in views and views of one's own."""


def choose_views(views: Views) -> tuple[View, ...]:
    """Resolve what `Guard` takes as `views=`; the text itself is read in any case.

    Raises:
        ConfigError: A name is not that of a built-in view, or two views have one name.
    """
    if isinstance(views, str):
        if views not in ("default", "none"):
            raise ConfigError(f'views= takes "default", "none" or a list of views, not {views!r}.')
        return BUILTIN_VIEWS if views == "default" else ()
    chosen = tuple(view if isinstance(view, View) else _named(view) for view in views)
    if len({view.name for view in chosen}) < len(chosen):
        raise ConfigError("views= has two views of one name; verdicts could not tell them apart.")
    return chosen


def _named(name: object) -> View:
    known = {view.name: view for view in BUILTIN_VIEWS}
    if not isinstance(name, str) or name not in known:
        raise ConfigError(f"There is no view {name!r}; take some of {', '.join(known)}, or a View.")
    return known[name]
