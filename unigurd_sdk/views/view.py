"""A view: one way of reading a text that may hide another one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from unigurd_sdk.errors import ConfigError
from unigurd_sdk.views.rewrite import Rewrite

__all__ = ["Kind", "Read", "View"]

Kind = Literal["fold", "decode", "guess"]
"""How a view is combined with others; see `unigurd_sdk.views.readings`."""

Read: TypeAlias = Callable[[str], "Rewrite | str | None"]
"""Maps a text to another reading of it, or to None if it has no other one."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class View:
    """A named pure function from a text to another reading of it.

    Attributes:
        name: Lower-case words joined by hyphens; `Verdict.views` names it.
        read: Returns None where it finds nothing to change; its time must grow no faster than the text. A `Rewrite`
            keeps offsets; of a plain string, only the whole is known to come from the whole of the text.
        kind: "fold" undoes what a human reader would not notice; all folds make one reading. "decode" undoes an
            encoding where it is found; all decoders make one reading. "guess" may be wrong about what it reads, so it
            makes a reading of its own.

    Raises:
        ConfigError: The name or the kind is none.
    """

    name: str
    read: Read
    kind: Kind = "guess"

    def __post_init__(self) -> None:
        """Refuse names that a verdict could not show and kinds that there are not."""
        if not _NAME.fullmatch(self.name) or self.name in ("raw", "none", "default"):
            raise ConfigError(
                f"{self.name!r} is no name for a view; use lower-case words joined by hyphens, "
                "other than raw, none and default."
            )
        if self.kind not in get_args(Kind):
            raise ConfigError(f"A view is of the kind {', '.join(get_args(Kind))}, not {self.kind!r}.")
