"""Limits: how large a text may be; a text over a limit is refused whole, never cut."""

from __future__ import annotations

from unigurd_sdk.errors import LimitExceeded

MAX_BYTES = 5_000_000
"""Default limit of a text's size in bytes of UTF-8."""

_LONGEST = 4  # bytes of one character


def check_size(text: str, max_bytes: int) -> None:
    """Raise `LimitExceeded` if the text has more than `max_bytes` bytes of UTF-8."""
    if len(text) * _LONGEST <= max_bytes:
        return
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > max_bytes:
        raise LimitExceeded("bytes", limit=max_bytes, actual=size)
