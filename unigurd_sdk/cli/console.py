"""The two streams that the commands write to: answers to the standard output, the rest to the other."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.text import Text


def answers() -> Console:
    """Return a console on the standard output, as it is now; wide if it is a file or a pipe."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)


def notices() -> Console:
    """Return a console on the standard error, as it is now."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def complain(message: str, console: Console | None = None) -> None:
    """Write an error as one red line; square brackets in it are no markup."""
    (console or notices()).print(Text(f"error: {' '.join(message.split())}", style="red"))
