"""The report as one HTML file: no scripts, nothing loaded from elsewhere, everything from the data escaped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unigurd_trainer.dedup.extra import load
from unigurd_trainer.report.excerpt import excerpt, printable
from unigurd_trainer.report.findings import findings
from unigurd_trainer.report.measure import Report
from unigurd_trainer.report.plots import histogram, stacked_bars
from unigurd_trainer.sdg.samples import LABELS

__all__ = ["render"]

_VALUES = 15  # of a field that are drawn


def render(report: Report, *, title: str = "Data report", texts: bool = True, notes: Sequence[str] = ()) -> str:
    """Render the report.

    Args:
        report: What was measured.
        title: Heading.
        texts: Whether texts of the data may be shown; if not, rows are named by file and line only.
        notes: What the generator says of its run, in sentences.
    """
    markup = load("markupsafe", purpose="The HTML report").Markup
    plots = [
        (name, markup(stacked_bars(f"Rows by {name}", table[:_VALUES])), max(len(table) - _VALUES, 0))
        for name, table in report.tables.items()
        if len(table) > 1
    ]
    page: str = _template().render(
        report=report,
        title=printable(title),
        texts=texts,
        labels=LABELS,
        findings=findings(report),
        notes=[printable(note) for note in notes],
        facts=_facts(report),
        plots=plots,
        same=[(name, excerpt(table[0].value)) for name, table in report.tables.items() if len(table) == 1],
        histogram=markup(histogram("Texts by number of words", *report.lengths)),
    )
    return page


def _template() -> Any:  # noqa: ANN401 - jinja2 is imported at the point of use
    jinja2 = load("jinja2", purpose="The HTML report")
    loader = jinja2.PackageLoader("unigurd_trainer.report", "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters.update(printable=printable, excerpt=excerpt, share=share, percent=percent)
    return environment.get_template("report.html.j2")


def _facts(report: Report) -> list[tuple[str, str]]:
    counts = report.duplicates
    return [
        ("rows", f"{report.rows:,}"),
        ("unsafe", percent(report.unsafe / report.rows)),
        ("repeated", percent(1 - counts["kept"] / counts["rows"])),
        ("labels in doubt", percent(report.noise.suspect if report.noise else None)),
        ("AUC of words alone", share(report.shortcut.wording)),
    ]


def share(value: float | None) -> str:
    """Write a number between 0 and 1 with three digits; a dash for None."""
    return "\u2013" if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """Write a share in percent; a dash for None."""
    return "\u2013" if value is None else f"{value:.1%}"
