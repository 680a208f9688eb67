"""Views: other readings of a text, against text that is written so that a person or a model reads it and a guard not.

::

    from unigurd_sdk.views import View

    pig_latin = View("pig-latin", undo_pig_latin)
    guard = Guard.from_pretrained("uniguard", views=["base64", "invisible", pig_latin])

Every view is a pure function from a text to another one, or to None where it has nothing to say; see `View`. The text
itself is always read.
"""

from __future__ import annotations

from unigurd_sdk.views.builtin import BUILTIN_VIEWS, Views, choose_views
from unigurd_sdk.views.reading import RAW, Reading
from unigurd_sdk.views.readings import DEPTH, readings
from unigurd_sdk.views.rewrite import Rewrite, replace_spans, substitute
from unigurd_sdk.views.view import Kind, Read, View

__all__ = [
    "BUILTIN_VIEWS",
    "DEPTH",
    "RAW",
    "Kind",
    "Read",
    "Reading",
    "Rewrite",
    "View",
    "Views",
    "choose_views",
    "readings",
    "replace_spans",
    "substitute",
]
