"""Notes: what a generator says of its own run, for the card of the data set."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from unigurd_trainer.report.excerpt import printable
from unigurd_trainer.sdg.samples import LABELS

__all__ = ["markdown", "notes_of"]

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#!|~&$])")


def notes_of(statistics: Any) -> tuple[str, ...]:  # noqa: ANN401 - generators keep accounts of their own
    """Return what readers of a data set must know of its generation: the rates of refusal, and the warnings.

    Args:
        statistics: The account of a generator, with `to_record` and `warnings`, or None.
    """
    record = statistics.to_record() if hasattr(statistics, "to_record") else {}
    return (*_refusals(record), *getattr(statistics, "warnings", ()))


def markdown(notes: Sequence[str]) -> str:
    """Render notes as a section of a card; empty if there are none."""
    items = "".join("- " + _SPECIAL.sub(r"\\\1", printable(note)) + "\n" for note in notes)
    return f"\n## Generation\n\n{items}" if items else ""


def _refusals(record: dict[str, Any]) -> Iterator[str]:
    """Say for each label how many texts the model refused to write, also if none."""
    rates = record.get("refusal_rate") or {}
    for label in LABELS:
        if label in rates:
            refused, asked = (record[name].get(label, 0) for name in ("refused", "asked"))
            yield f"Of {asked} {label} texts that the model was asked for, it refused {refused} ({rates[label]:.1%})."
