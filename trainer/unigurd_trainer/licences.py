"""Licences: where each source of training text is from, whose it is, and under which licence it came.

The table is `sources.yaml`. A source that it does not list, or lists without a licence, counts as `UNCONFIRMED`: the
data folder calls everything outside ``dev/`` permissive, but nobody has read that at the source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

__all__ = ["UNCONFIRMED", "UNSTATED", "Source", "licence_of", "named_source", "sources", "sources_of"]

UNCONFIRMED = "licence not confirmed"
UNSTATED = "none stated"

FORMER = "permissive (see data card)"
"""What stands in manifests that were written before the table."""


@dataclass(frozen=True, slots=True)
class Source:
    """A data set that texts were taken from.

    Attributes:
        title: Its name.
        by: Whom to attribute it to.
        url: Where it is.
        licence: SPDX identifier; empty where it could not be confirmed.
        note: What else a user of the texts should know.
    """

    title: str
    by: str
    url: str
    licence: str = ""
    note: str = ""

    def __str__(self) -> str:
        name = f"[{self.title}]({self.url})" if self.url else self.title
        note = f" ({self.note})" if self.note else ""
        return f"{name}, {self.licence or UNCONFIRMED}; {self.by}{note}"


@cache
def sources() -> Mapping[str, Source]:
    """Return the table: name of the source, as rows state it -> what is known of it."""
    text = resources.files("unigurd_trainer").joinpath("sources.yaml").read_text(encoding="utf-8")
    return {name: Source(**fields) for name, fields in yaml.safe_load(text).items()}


def licence_of(source: str, row: Mapping[str, Any] | None = None) -> str:
    """Return the licence of a training row: its own statement, else that of its source, else `UNCONFIRMED`."""
    stated = (row or {}).get("licence") or (row or {}).get("license")
    if stated:
        return str(stated)
    known = sources().get(source)
    return (known.licence if known else "") or UNCONFIRMED


def sources_of(rows: Iterable[Any]) -> dict[str, str]:
    """Return source -> licence, sorted, over anything with these two attributes (for a model card).

    Where the rows of a source state several, it is what the table says of the source, or all of them.
    """
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row.source, set()).add(row.licence)
    return {source: _joint(source, stated) for source, stated in sorted(found.items())}


def _joint(source: str, stated: set[str]) -> str:
    known = sources().get(source) if len(stated) > 1 else None
    return (known.licence if known else "") or " AND ".join(sorted(stated))


def named_source(entry: str) -> str:
    """Say in full what a manifest says of a source: ``name: licence``."""
    name, _, licence = entry.partition(": ")
    known = sources().get(name)
    if known is not None and licence in ("", FORMER, UNCONFIRMED, known.licence):
        return f"{name}: {known}"
    return f"{name}: {UNCONFIRMED if licence in ('', FORMER) else licence}"
