"""The report on a terminal: numbers, no codes from the data, no texts."""

from __future__ import annotations

import io

from rich.console import Console

from unigurd_trainer.report.terminal import terminal


def test_the_numbers_are_shown_and_data_gives_no_orders(hostile_report):
    out = io.StringIO()
    Console(file=out, width=120, force_terminal=False).print(terminal(hostile_report))
    text = out.getvalue()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "<script>" in text
    assert "filler" not in text
    assert f"{hostile_report.shortcut.wording:.3f}" in text
    assert f"{hostile_report.noise.suspect:.1%}" in text
