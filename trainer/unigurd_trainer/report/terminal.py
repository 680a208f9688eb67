"""The report for a terminal: the same numbers, without texts from the data."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from unigurd_trainer.report.excerpt import excerpt
from unigurd_trainer.report.findings import findings
from unigurd_trainer.report.html import percent, share
from unigurd_trainer.report.measure import Report

__all__ = ["terminal"]

_VALUES = 5


def terminal(report: Report) -> RenderableType:
    """Lay the report out for `rich`."""
    return Group(_balance(report), _measures(report), *_findings(report))


def _balance(report: Report) -> Table:
    table = _table("field", "value", "safe", "unsafe")
    table.add_row("all", "", f"{report.safe:,}", f"{report.unsafe:,}", end_section=True)
    for name, splits in report.tables.items():
        for place, split in enumerate(splits[:_VALUES]):
            value = Text(excerpt(split.value, 40))
            table.add_row(name if not place else "", value, f"{split.safe:,}", f"{split.unsafe:,}")
        if len(splits) > _VALUES:
            table.add_row("", f"and {len(splits) - _VALUES} more", "", "")
        table.add_section()
    medians = [f"{lengths.quantiles[2]:,}" for lengths in report.lengths]
    table.add_row("words", "median", *medians)
    return table


def _measures(report: Report) -> Table:
    table = _table("measure", "", "value")
    for name, value in report.duplicates.items():
        if name not in ("rows", "kept", "semantic"):
            table.add_row("duplicates", name, f"{value:,}")
    if report.sample_duplicates:
        table.add_row("", f"semantic, of {report.sampled:,}", f"{report.sample_duplicates['semantic']:,}")
    table.add_row("AUC without the policy", "words", share(report.shortcut.wording))
    table.add_row("", "words, within policies", share(report.shortcut.within_policy))
    table.add_row("", "length", share(report.shortcut.length))
    noise = report.noise
    table.add_row("label noise", "look wrong", percent(noise.suspect if noise else None))
    table.add_row("", "guard disagrees", percent(noise.guard if noise else None))
    return table


def _findings(report: Report) -> Iterator[Text]:
    for finding in findings(report):
        yield Text(f"\u2022 {finding}")


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place < 2 else "right")
    return table
