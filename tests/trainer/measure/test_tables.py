"""Tables show every set once, with a dash for what was not measured."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from unigurd_trainer.measure.results import Results, SetResult
from unigurd_trainer.measure.tables import COLUMNS, cells, markdown, terminal
from unigurd_trainer.metrics import measure


@pytest.fixture
def results():
    both = SetResult("gip", "f", 2, 0.75, measure([1, 1, 1, 0, 0], [0.9, 0.1, 0.9, 0.9, 0.1]), {})
    safe = SetResult("dev/benign", "f", 1, None, measure([0, 0], [0.1, 0.9]), {})
    return Results("tiny", "0123", 1.5, 0.5, {"tax": 0.61}, "d", {}, (both, safe))


def test_a_row_has_what_the_heading_says(results):
    row = dict(zip(COLUMNS, cells(results.sets[0]), strict=True))
    assert (row["set"], row["rows"], row["unsafe"]) == ("gip", "5", "3")
    assert (row["F1"], row["FPR"], row["policy AUC"]) == ("0.667", "0.500", "0.750")


def test_what_cannot_be_measured_is_a_dash(results):
    row = dict(zip(COLUMNS, cells(results.sets[1]), strict=True))
    assert row["FPR"] == "0.500"
    assert {row[name] for name in COLUMNS[3:] if name != "FPR"} == {"–"}


def test_markdown_is_a_table_with_a_caption(results):
    lines = markdown(results).splitlines()
    assert {line.count("|") for line in lines[:4]} == {len(COLUMNS) + 1}
    assert lines[3].startswith("| dev/benign |")
    assert lines[-1] == "tiny@0123, temperature 1.5, threshold 0.5 (tax 0.61)"


@pytest.mark.parametrize(("width", "heading"), [(80, False), (140, True)])
def test_the_terminal_table_fits(results, width, heading):
    screen = io.StringIO()
    Console(width=width, file=screen).print(terminal(results, width))
    shown = screen.getvalue()
    assert ("AUPRC" in shown) is heading
    assert "R@1%FPR" in shown and "dev/benign" in shown and "…" not in shown
