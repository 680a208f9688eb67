"""Licences: which one each source of training text came under.

The data folder states that everything outside ``dev/`` is under a permissive licence, without naming the
licence of each source, so that is what is recorded; a row that states its own licence keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["PERMISSIVE", "UNSTATED", "licence_of", "sources_of"]

PERMISSIVE = "permissive (see data card)"
UNSTATED = "none stated"

KNOWN: Mapping[str, str] = {}
"""Source -> SPDX identifier, to be filled where a data card states one."""


def licence_of(source: str, row: Mapping[str, Any] | None = None) -> str:
    """Return the licence of a training row: its own statement, else that of its source, else `PERMISSIVE`."""
    stated = (row or {}).get("licence") or (row or {}).get("license")
    return str(stated) if stated else KNOWN.get(source, PERMISSIVE)


def sources_of(rows: Iterable[Any]) -> dict[str, str]:
    """Return source -> licence, sorted, over anything with these two attributes (for a model card)."""
    found = {row.source: row.licence for row in rows}
    return dict(sorted(found.items()))
