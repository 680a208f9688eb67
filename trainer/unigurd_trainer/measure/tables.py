"""Tables of results: Markdown for files and model cards, rich for terminals; what was not measurable is a dash."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from unigurd_trainer.measure.results import Difference, Results, Score, SetResult

if TYPE_CHECKING:
    from rich.table import Table

    from unigurd_trainer.measure.resample import Interval

__all__ = ["COLUMNS", "cells", "markdown", "parts_markdown", "terminal"]

COLUMNS = ("set", "rows", "unsafe", "F1", "prec.", "recall", "FPR", "AUC", "policy AUC", "AUPRC", "R@1%FPR", "ECE")
"""Headings; "policy AUC" is the mean over policies, "R@1%FPR" the recall where 1 % of the safe texts are flagged."""

NARROW = ("set", "rows", "F1", "recall", "FPR", "AUC", "R@1%FPR", "ECE")
"""The columns that fit a terminal of 80 characters."""

SURE = {"f1": "F1", "recall": "recall", "fpr": "FPR", "auc": "AUC", "auprc": "AUPRC"}
"""The measures whose intervals are shown, and their headings."""

UNITS = {"row": "rows", "group": "groups", "policy": "policies"}

WIDE = 120
DASH = "–"


def cells(row: SetResult) -> tuple[str, ...]:
    """Return the texts of one row, in the order of `COLUMNS`; shares with three decimals."""
    it = row.metrics
    shares = (it.f1, it.precision, it.recall, it.fpr, it.auc, row.policy_auc, it.auprc, it.recall_low_fpr, it.ece)
    return (row.name, str(it.rows), str(it.unsafe), *(_share(value) for value in shares))


def caption(results: Results) -> str:
    """Say in one line what was measured."""
    name = f"{results.checkpoint}@{results.checkpoint_id}"
    if results.temperature is not None:
        name += f", temperature {results.temperature:.3g}"
    rule = results.rule.get("kind", "checkpoint")
    if rule != "checkpoint" or results.kind != "checkpoint":
        return f"{name}, verdicts: {results.rule.get('words', '')}"
    own = ", ".join(f"{policy} {value:.3g}" for policy, value in results.thresholds.items())
    return f"{name}, threshold {results.threshold:.3g}" + (f" ({own})" if own else "")


def markdown(results: Results) -> str:
    """Return the tables: measures with a caption below, intervals, and what else there is."""
    parts = [f"{_table(COLUMNS, map(cells, results.sets))}\n\n{caption(results)}\n"]
    parts += [] if results.score is None else [_score(results.score, results.against)]
    for title, heading, rows in (_intervals(results), _differences(results), _invalid(results), _latency(results)):
        parts += [f"{title}\n\n{_table(heading, rows)}\n"] if rows else []
    return "\n".join(parts)


def parts_markdown(results: Results) -> str:
    """Return a table of languages and one of categories; empty where no set has several with enough rows."""
    shown = []
    for kind in ("languages", "categories"):
        rows = [
            (each.name, part, str(it.rows), str(it.unsafe), *map(_share, (it.f1, it.recall, it.fpr, it.auc)))
            for each in results.sets
            for part, it in getattr(each, kind).items()
        ]
        heading = ("set", kind, "rows", "unsafe", "F1", "recall", "FPR", "AUC")
        shown += [_table(heading, rows)] if rows else []
    return "\n\n".join((*shown, f"{caption(results)}\n")) if shown else ""


def terminal(results: Results, width: int = 80) -> Table:
    """Return a table for a rich console of this many characters: all columns from 120 on, else those of `NARROW`."""
    from rich import box
    from rich.table import Table

    names = COLUMNS if width >= WIDE else NARROW
    table = Table(caption=caption(results), box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in names:
        table.add_column(name, justify="left" if name == "set" else "right", no_wrap=True)
    for row in results.sets:
        shown = dict(zip(COLUMNS, cells(row), strict=True))
        table.add_row(*(shown[name] for name in names))
    return table


Part = tuple[str, Sequence[str], list[tuple[str, ...]]]
"""A title, a heading, and rows; without rows there is nothing to show."""


def _intervals(results: Results) -> Part:
    rows = [
        (each.name, f"{each.units} {UNITS[each.unit]}", *(_range(each.intervals.get(name)) for name in SURE))
        for each in results.sets
        if each.intervals
    ]
    title = f"95 % intervals from {results.resamples} resamples of the units:"
    return title, ("set", "units", *SURE.values()), rows


def _differences(results: Results) -> Part:
    rows = [
        (each.name, *(_gain(each.rival.differences.get(name)) for name in SURE))
        for each in results.sets
        if each.rival is not None
    ]
    name, version = results.against or ("", "")
    title = f"Difference from {name}@{version} on the same rows, with 95 % intervals of the paired resamples:"
    return title, ("set", *SURE.values()), rows


def _invalid(results: Results) -> Part:
    rows: list[tuple[str, ...]] = [(each.name, str(each.invalid)) for each in results.sets if each.invalid]
    return "Answers that could not be used, counted as wrong:", ("set", "invalid"), rows


def _latency(results: Results) -> Part:
    rows: list[tuple[str, ...]] = [
        (each.name, kind, str(time.rows), f"{time.median_ms:.2f}", f"{time.p95_ms:.2f}")
        for each in results.sets
        for kind, time in each.latency.items()
    ]
    return "Milliseconds of one check:", ("set", "rows that are", "timed", "median", "p95"), rows


def _score(score: Score, against: tuple[str, str] | None) -> str:
    text = f"Score (mean F1 of {len(score.sets)} data sets, x100): {score.value:.2f} [{_range(score.interval, 2)}]"
    if score.difference is not None and against is not None:
        text += f", {_gain(score.difference, 2)} from {against[0]}"
    return f"{text}\n"


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ("---", *["---:"] * (len(heading) - 1)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _gain(difference: Difference | None, digits: int = 3) -> str:
    if difference is None:
        return DASH
    return f"{difference.value:+.{digits}f} [{_range(difference.interval, digits)}]"


def _range(interval: Interval | None, digits: int = 3) -> str:
    return DASH if interval is None else f"{interval.low:.{digits}f}, {interval.high:.{digits}f}"


def _share(value: float | None) -> str:
    return DASH if value is None else f"{value:.3f}"
