"""API keys: they come from the environment and go nowhere else."""

from __future__ import annotations

import os
from collections.abc import Sequence

from unigurd_trainer.errors import TrainerError

__all__ = ["MissingKey", "key_from"]


class MissingKey(TrainerError):
    """A service needs a key that the environment does not have.

    Attributes:
        variables: Where it is looked for.
    """

    def __init__(self, service: str, variables: Sequence[str]) -> None:
        self.variables = tuple(variables)
        super().__init__(
            f"{service} needs a key: set the environment variable {' or '.join(variables)}. "
            "Keys are read from the environment only; no option and no file takes one."
        )


def key_from(variables: Sequence[str]) -> str:
    """Return the first of these variables that is set, without blanks around it; empty if none is."""
    return next((value for name in variables if (value := os.environ.get(name, "").strip())), "")
