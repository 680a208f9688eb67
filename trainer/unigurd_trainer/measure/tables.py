"""Tables of results: Markdown for files and model cards, rich for terminals; what was not measurable is a dash."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from unigurd_trainer.measure.evaluate import Results, SetResult

__all__ = ["COLUMNS", "cells", "markdown", "terminal"]

COLUMNS = ("set", "rows", "unsafe", "F1", "prec.", "recall", "FPR", "AUC", "policy AUC", "AUPRC", "R@1%FPR", "ECE")
"""Headings; "policy AUC" is the mean over policies, "R@1%FPR" the recall where 1 % of the safe texts are flagged."""

NARROW = ("set", "rows", "F1", "recall", "FPR", "AUC", "R@1%FPR", "ECE")
"""The columns that fit a terminal of 80 characters."""

WIDE = 120
DASH = "–"


def cells(row: SetResult) -> tuple[str, ...]:
    """Return the texts of one row, in the order of `COLUMNS`; shares with three decimals."""
    it = row.metrics
    shares = (it.f1, it.precision, it.recall, it.fpr, it.auc, row.policy_auc, it.auprc, it.recall_low_fpr, it.ece)
    return (row.name, str(it.rows), str(it.unsafe), *(_share(value) for value in shares))


def caption(results: Results) -> str:
    """Say in one line what was measured."""
    own = ", ".join(f"{name} {value:.3g}" for name, value in results.thresholds.items())
    thresholds = f"threshold {results.threshold:.3g}" + (f" ({own})" if own else "")
    return f"{results.checkpoint}@{results.checkpoint_id}, temperature {results.temperature:.3g}, {thresholds}"


def markdown(results: Results) -> str:
    """Return a Markdown table with a caption below."""
    lines = [COLUMNS, ("---", *["---:"] * (len(COLUMNS) - 1)), *(cells(row) for row in results.sets)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\n{caption(results)}\n"


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


def _share(value: float | None) -> str:
    return DASH if value is None else f"{value:.3f}"
