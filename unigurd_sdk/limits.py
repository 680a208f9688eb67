"""Limits: how large a text may be and how much work it may ask for; a text over one is refused whole, never cut."""

from __future__ import annotations

from dataclasses import dataclass, fields

from unigurd_sdk.errors import ConfigError, LimitExceeded

MAX_BYTES = 5_000_000
"""Default limit of a text's size in bytes of UTF-8."""

MAX_WINDOWS = 8192
"""Default limit of the windows that are scored for one text, in all its readings."""

MAX_READINGS = 16
"""Default limit of a text's readings; together they may have that many times its characters."""

_LONGEST = 4  # bytes of one character


@dataclass(frozen=True, slots=True)
class Limits:
    """What one text may cost: its `bytes` of UTF-8, its `readings` by all views, and the `windows` of them all.

    Raises:
        ConfigError: A limit is below 1.
    """

    bytes: int = MAX_BYTES
    windows: int = MAX_WINDOWS
    readings: int = MAX_READINGS

    def __post_init__(self) -> None:
        """Refuse limits that no text could keep."""
        for limit in fields(self):
            if getattr(self, limit.name) < 1:
                raise ConfigError(f"max_{limit.name} must be at least 1, not {getattr(self, limit.name)}.")


def check_size(text: str, max_bytes: int) -> None:
    """Raise `LimitExceeded` if the text has more than `max_bytes` bytes of UTF-8."""
    if len(text) * _LONGEST <= max_bytes:
        return
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > max_bytes:
        raise LimitExceeded("bytes", limit=max_bytes, actual=size)
