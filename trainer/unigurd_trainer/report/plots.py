"""Plots as SVG: pure functions from numbers to markup, coloured by the classes `safe` and `unsafe` of the page.

Every plot names itself for those who do not see it and writes its numbers beside the bars. All texts are escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from unigurd_trainer.report.excerpt import excerpt
from unigurd_trainer.report.tally import LENGTHS, Lengths, Split

__all__ = ["histogram", "stacked_bars"]

_WIDTH, _ROW, _LABEL, _NUMBERS = 640, 24, 200, 110
_HEIGHT, _FOOT = 160, 22
_STEP = _WIDTH / len(LENGTHS)


def stacked_bars(title: str, splits: Sequence[Split]) -> str:
    """Draw one bar for each value, its safe part first."""
    longest = max((split.rows for split in splits), default=0) or 1
    scale = (_WIDTH - _LABEL - _NUMBERS) / longest
    rows = "".join(_bar(place * _ROW, split, scale) for place, split in enumerate(splits))
    return _svg(title, len(splits) * _ROW, rows)


def histogram(title: str, safe: Lengths, unsafe: Lengths) -> str:
    """Draw how many texts have how many words, safe and unsafe side by side."""
    most = max((*safe.bins, *unsafe.bins), default=0) or 1
    scale = (_HEIGHT - _FOOT) / most
    columns = "".join(
        _column(place, "safe", 4, safe.bins[place], scale)
        + _column(place, "unsafe", _STEP / 2, unsafe.bins[place], scale)
        + _text((place + 0.5) * _STEP, _HEIGHT + 15, _range(place), "middle")
        for place in range(len(LENGTHS))
    )
    return _svg(title, _HEIGHT + _FOOT, columns)


def _column(place: int, kind: str, indent: float, count: int, scale: float) -> str:
    tip = f"{kind}: {count:,} texts of {_range(place)} words"
    height = count * scale
    return _rect(kind, place * _STEP + indent, _HEIGHT - height, _STEP / 2 - 5, height, tip)


def _bar(y: float, split: Split, scale: float) -> str:
    tip = f"{excerpt(split.value, 80)}: {split.safe:,} safe, {split.unsafe:,} unsafe"
    safe, unsafe = split.safe * scale, split.unsafe * scale
    return "".join(
        (
            _text(_LABEL - 8, y + 16, excerpt(split.value, 28), "end"),
            _rect("safe", _LABEL, y + 4, safe, _ROW - 8, tip),
            _rect("unsafe", _LABEL + safe, y + 4, unsafe, _ROW - 8, tip),
            _text(_LABEL + safe + unsafe + 6, y + 16, f"{split.safe:,} + {split.unsafe:,}", "start"),
        )
    )


def _range(place: int) -> str:
    if place + 1 == len(LENGTHS):
        return f"{LENGTHS[place]}+"
    return f"{LENGTHS[place]}\u2013{LENGTHS[place + 1] - 1}"


def _rect(kind: str, x: float, y: float, width: float, height: float, tip: str) -> str:
    size = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}"'
    return f'<rect class="{kind}" {size}><title>{escape(tip)}</title></rect>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(title: str, height: float, content: str) -> str:
    label = escape(title)
    box = f'viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{label}"'
    return f"<svg {box}><title>{label}</title>{content}</svg>"
