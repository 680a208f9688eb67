"""Referee: a second opinion on candidate texts, by the guard that the package ships, before they get a label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unigurd_sdk.policy import Policy

__all__ = ["GuardReferee", "Referee"]


class Referee(Protocol):
    """Judges texts under a policy."""

    def scores(self, texts: Sequence[str], policy: Policy) -> NDArray[np.float32]:
        """Return [N] probabilities that the texts violate the policy."""
        ...


class GuardReferee:
    """Judges with a checkpoint, the bundled one unless another is named; it is loaded at the first use."""

    def __init__(self, checkpoint: str = "uniguard", *, threads: int | None = None) -> None:
        self._checkpoint, self._threads = checkpoint, threads

    def scores(self, texts: Sequence[str], policy: Policy) -> NDArray[np.float32]:
        """Return [N] probabilities that the texts violate the policy."""
        from unigurd_sdk import Guard

        with Guard.from_pretrained(self._checkpoint, threads=self._threads) as guard:
            return np.array([verdict.score for verdict in guard.check_batch(texts, policy=policy)], dtype=np.float32)
