"""Figures through matplotlib (extra `plots`), written as PNG and SVG; the same numbers give the same bytes."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from unigurd_sdk.errors import MissingExtra
from unigurd_trainer.sdg.shards import make_folder, replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["new_figure", "save"]


def new_figure(title: str, width: float, height: float) -> Figure:
    """Start a figure of so many inches; raises `MissingExtra` if matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtra("matplotlib", extra="plots", purpose="Plots") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write PATH.png and PATH.svg."""
    from matplotlib import rc_context

    make_folder(path.parent)
    with rc_context({"svg.hashsalt": "unigurd", "svg.fonttype": "none"}):
        for form, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
            content = BytesIO()
            figure.savefig(content, format=form, dpi=120, metadata=metadata)
            replace_file(path.with_name(f"{path.name}.{form}"), content.getvalue())
