"""All readings of a text: which views are applied to what, and how much of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unigurd_sdk.errors import LimitExceeded
from unigurd_sdk.limits import Limits
from unigurd_sdk.views.reading import Reading
from unigurd_sdk.views.view import Kind, View

__all__ = ["DEPTH", "readings"]

DEPTH = 2
"""How often decoders and guesses are applied to what they gave."""

_SHORT = 1000  # characters; shorter texts count as that long where readings are measured by the text


def readings(text: str, views: Sequence[View], limits: Limits) -> tuple[Reading, ...]:
    """Give the distinct readings of a text: first the text itself, then what views make of it.

    All folds together make one reading, from which the others start: the decoders together make one, every guess makes
    one, and both are applied up to twice in a row, with the folds after each. Views that change nothing and readings
    that are there already cost no scoring.

    Raises:
        LimitExceeded: There are more than `limits.readings`, or together they have more characters than that many
            times the text. None is left out.
        PluginError: A view failed.
    """
    raw = Reading(text)
    folds = _of(views, "fold")
    folded = raw.through(folds)
    found = {raw.text: raw, folded.text: folded}
    newest = [folded]
    _check(found, limits)
    for _ in range(DEPTH):
        newest = [reading for start in newest for reading in _further(start, views, folds, found, limits)]
    return tuple(found.values())


def _further(
    start: Reading, views: Sequence[View], folds: Sequence[View], found: dict[str, Reading], limits: Limits
) -> Iterator[Reading]:
    """Give (and keep in `found`) what decoders and guesses make of a reading, as far as it is new."""
    for step in (_of(views, "decode"), *((guess,) for guess in _of(views, "guess"))):
        reading = start.through(step)
        if reading is not start:
            reading = reading.through(folds)
            if reading.text not in found:
                found[reading.text] = reading
                _check(found, limits)
                yield reading


def _check(found: dict[str, Reading], limits: Limits) -> None:
    if len(found) > limits.readings:
        raise LimitExceeded("readings", limit=limits.readings, actual=len(found))
    length = len(next(iter(found)))
    most, characters = limits.readings * max(length, _SHORT), sum(map(len, found))
    if characters > most:
        raise LimitExceeded("characters in all its readings", limit=most, actual=characters)


def _of(views: Sequence[View], kind: Kind) -> tuple[View, ...]:
    return tuple(view for view in views if view.kind == kind)
