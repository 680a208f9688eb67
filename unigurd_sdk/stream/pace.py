"""The pace of a stream: when the held text is judged, and how much of it stays held.

With a hold-back of `h` tokens, a judgement comes after every `stride = 3h/4` new tokens, at the latest. It reads all
that is held and the `h` tokens before, at most `2h`. The last `margin = h/4` tokens stay held until the next one, so
what can be seen within `margin` tokens is seen before the first character of it leaves. One token is thus read
`2h / stride = 2.67` times, whatever the length of the stream.

The first judgements come earlier, at `first`, `2 first`, `4 first`... tokens, so that the reader need not wait. Each
reads everything so far: together less than twice the text.
"""

from __future__ import annotations

from dataclasses import dataclass

from unigurd_sdk.errors import ConfigError

CHARACTERS = 16
"""So many characters count as a token at least: blanks and invisible characters may have no token."""

_SMALLEST = 4


@dataclass(frozen=True, slots=True)
class Pace:
    """When to judge: `hold_back` is in tokens, `max_delay` in seconds or None."""

    hold_back: int
    max_delay: float | None = None

    def __post_init__(self) -> None:
        """Refuse a hold-back that is too short to judge by, and delays that are none."""
        if self.hold_back < _SMALLEST:
            raise ConfigError(f"hold_back must be at least {_SMALLEST} tokens, not {self.hold_back}.")
        if self.max_delay is not None and not self.max_delay > 0:
            raise ConfigError(f"max_delay_ms must be above 0, or None, not {1000 * self.max_delay:g}.")

    @property
    def margin(self) -> int:
        """Tokens that stay held after a judgement."""
        return self.hold_back // 4

    @property
    def stride(self) -> int:
        """New tokens between two judgements."""
        return self.hold_back - self.margin

    @property
    def first(self) -> int:
        """Tokens at the first judgement."""
        return self.margin + max(1, self.hold_back // 8)

    def due(self, fresh: int, judged: int) -> bool:
        """Say whether `fresh` new tokens, after `judged` ones, are to be judged."""
        return fresh >= min(self.stride, max(self.first, judged))
