"""What every runtime does: encode a policy once, then score texts against encoded policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from unigurd_sdk.policy import Policy

Array: TypeAlias = NDArray[Any]
Segment: TypeAlias = Sequence[int]

MASK_SUFFIX = "_mask"
"""A stacked state tensor `x` comes with `x_mask`, which says which of its rows are real."""


@dataclass(frozen=True, slots=True, eq=False)
class PolicyState:
    """An encoded policy: named tensors whose first axis n may differ between policies, the others not."""

    tensors: Mapping[str, Array]


class Runtime(Protocol):
    """Executes a checkpoint. Implementations are safe for threads."""

    def encode_policy(self, policy: Policy) -> PolicyState:
        """Encode a policy; the cost of a long policy is paid here and only here."""
        ...

    def score(self, segments: Sequence[Segment], states: Sequence[PolicyState]) -> NDArray[np.float32]:
        """Score B segments (token ids, special ones included) under K policies: logits [B, K]."""
        ...

    def close(self) -> None:
        """Release the model."""
        ...


def stack_states(states: Sequence[PolicyState]) -> dict[str, Array]:
    """Stack K states for one batch.

    Each tensor `x` [n, ...] becomes `x` [K, max n, ...], padded with zeros, and `x_mask` [K, max n] bool.
    One state alone is not copied.
    """
    stacked: dict[str, Array] = {}
    for name in states[0].tensors:
        tensors = [state.tensors[name] for state in states]
        stacked[name], stacked[name + MASK_SUFFIX] = _pad(tensors)
    return stacked


def _pad(tensors: Sequence[Array]) -> tuple[Array, NDArray[np.bool_]]:
    longest = max(len(tensor) for tensor in tensors)
    mask = np.arange(longest) < np.array([len(tensor) for tensor in tensors])[:, None]
    if len(tensors) == 1:
        return tensors[0][None], mask
    out = np.zeros((len(tensors), longest, *tensors[0].shape[1:]), dtype=tensors[0].dtype)
    for row, tensor in zip(out, tensors, strict=True):
        row[: len(tensor)] = tensor
    return out, mask
