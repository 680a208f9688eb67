"""Which findings of a rival with categories of its own count against which of our policies."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["Count", "Taxonomy"]

Count = Literal["mapped", "any"]
"""Whether only the categories mapped to the row's policy count, or every finding does, as in the paper (4.1)."""


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """A rival's categories.

    Attributes:
        categories: All of them, by the name in its answers, with a title.
        policies: Name of a built-in policy -> the categories that stand for it. This is our choice. Under a policy that
            is not listed the rival has nothing of its own, and every finding counts.
    """

    categories: Mapping[str, str]
    policies: Mapping[str, tuple[str, ...]]

    def counted(self, policy: str, count: Count) -> Collection[str] | None:
        """Return the categories that count under a policy; None if every finding does."""
        return self.policies.get(policy) if count == "mapped" else None

    def found(self, categories: Collection[str], policy: str, count: Count) -> bool:
        """Say whether any of the categories that were found counts under a policy."""
        counted = self.counted(policy, count)
        return bool(categories) if counted is None else not set(counted).isdisjoint(categories)
