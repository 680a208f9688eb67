"""Windows: how a text of any length becomes overlapping slices, with no token left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unigurd_sdk.errors import ConfigError

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Window:
    """A slice of a text, as token positions: `start` inclusive, `stop` exclusive."""

    start: int
    stop: int


def split(count: int, budget: int, overlap: int) -> tuple[Window, ...]:
    """Cover `count` tokens with windows of at most `budget` tokens that overlap by at least `overlap`.

    A text that fits is exactly one window, the empty text too. Otherwise every window has `budget` tokens:
    the last one is moved left until it is full. Starts grow strictly.

    Raises:
        ConfigError: The budget is below 1, or the overlap is not below the budget.
    """
    if budget < 1 or not 0 <= overlap < budget:
        raise ConfigError(f"A window needs a budget of at least 1 and a smaller overlap, not {budget} and {overlap}.")
    if count <= budget:
        return (Window(0, count),)
    last = count - budget
    starts = [*range(0, last, budget - overlap), last]
    return tuple(Window(start, start + budget) for start in starts)


def span(window: Window, offsets: Sequence[Span], length: int) -> Span:
    """Give the (start, end) characters of a window, from the token offsets of a text of `length` characters.

    The first window begins at character 0 and the last one ends with the text, so that characters without a
    token, such as spaces, belong to a window as well.
    """
    start = 0 if window.start == 0 else offsets[window.start][0]
    end = length if window.stop >= len(offsets) else offsets[window.stop - 1][1]
    return start, end
