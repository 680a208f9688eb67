"""Labels: how the columns of a data set become safe (0) and unsafe (1).

Each reader takes a row as a mapping and returns its label, or None for a row that states none; `words` says the rule
for the results. Multi-class labels follow the paper: any unsafe category makes a row unsafe (SPEC section 8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Always", "AnyOf", "Column", "LabelReader", "Votes"]

_TRUE = frozenset({"1", "1.0", "true"})
_NONE = frozenset({"", "none", "nan"})


class LabelReader(Protocol):
    """Reads the label of a row."""

    @property
    def words(self) -> str:
        """The rule, for people."""

    def __call__(self, row: Mapping[str, Any]) -> int | None:
        """Return 1 for unsafe, 0 for safe, None for no label; ValueError for a value that is not known."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column; its values are compared as text, without regard to case."""

    name: str
    unsafe: str
    safe: str

    @property
    def words(self) -> str:
        """The rule, for people."""
        return f"{self.name}: {self.unsafe} is unsafe, {self.safe} is safe"

    def __call__(self, row: Mapping[str, Any]) -> int | None:
        """Return the label."""
        value = _plain(row.get(self.name))
        if value in _NONE:
            return None
        try:
            return {self.unsafe.lower(): 1, self.safe.lower(): 0}[value]
        except KeyError:
            raise ValueError(f"the {self.name} {value!r} is neither {self.safe!r} nor {self.unsafe!r}") from None


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Several columns with 1 or true for a category that applies; what is not stated does not apply."""

    names: tuple[str, ...]

    @property
    def words(self) -> str:
        """The rule, for people."""
        return f"unsafe if any of {', '.join(self.names)} is true"

    def __call__(self, row: Mapping[str, Any]) -> int | None:
        """Return the label."""
        if not any(name in row for name in self.names):
            raise ValueError(f"there is no column {' or '.join(self.names)}")
        return int(any(_plain(row.get(name)) in _TRUE for name in self.names))


@dataclass(frozen=True, slots=True)
class Votes:
    """Columns with what each annotator named, categories between commas; most annotators decide, a tie is unsafe."""

    names: tuple[str, ...]
    harmless: tuple[str, ...]

    @property
    def words(self) -> str:
        """The rule, for people."""
        harmless = " or ".join(self.harmless)
        return f"unsafe if at least half of the annotators name a category other than {harmless}"

    def __call__(self, row: Mapping[str, Any]) -> int | None:
        """Return the label."""
        votes = [vote for name in self.names if (vote := _plain(row.get(name))) not in _NONE]
        harmless = {name.lower() for name in self.harmless}
        unsafe = [any(part.strip() not in harmless for part in vote.split(",")) for vote in votes]
        return int(2 * sum(unsafe) >= len(votes)) if votes else None


@dataclass(frozen=True, slots=True)
class Always:
    """All rows have the same label."""

    label: int

    @property
    def words(self) -> str:
        """The rule, for people."""
        return f"all rows are {('safe', 'unsafe')[self.label]}"

    def __call__(self, row: Mapping[str, Any]) -> int | None:
        """Return the label."""
        return self.label


def _plain(value: object) -> str:
    return "" if value is None else str(value).strip().lower()
