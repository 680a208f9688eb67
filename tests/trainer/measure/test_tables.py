"""Tables show every set once, with a dash for what was not measured."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from unigurd_trainer.measure.resample import Interval
from unigurd_trainer.measure.results import Difference, Results, Rival, Score, SetResult
from unigurd_trainer.measure.tables import COLUMNS, cells, markdown, parts_markdown, terminal
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


def test_intervals_differences_and_the_score_have_their_places(results):
    sure = {"f1": Interval(0.5, 0.75), "fpr": Interval(0.1, 0.2)}
    rival = Rival(results.sets[0].metrics, 0, {"f1": Difference(-0.25, Interval(-0.5, 0.0))})
    first = replace(results.sets[0], intervals=sure, unit="policy", units=40, rival=rival)
    score = Score(61.5, Interval(60.0, 63.0), ("gip", "other"), Difference(1.25, Interval(-1.0, 3.5)))
    text = markdown(replace(results, sets=(first,), against=("acme", "2"), score=score, resamples=1000))
    assert "| gip | 40 policies | 0.500, 0.750 | – | 0.100, 0.200 | – | – |" in text
    assert "Difference from acme@2" in text and "| gip | -0.250 [-0.500, 0.000] | – | – | – | – |" in text
    assert "2 data sets, x100): 61.50 [60.00, 63.00], +1.25 [-1.00, 3.50] from acme" in text


def test_the_caption_says_how_verdicts_were_made(results):
    fixed = replace(results, rule={"kind": "fixed", "words": "score of at least 0.5"})
    assert markdown(fixed).endswith("tiny@0123, temperature 1.5, verdicts: score of at least 0.5\n")
    foreign = replace(results, kind="predictions", temperature=None, rule={"kind": "checkpoint", "words": "its own"})
    assert markdown(foreign).endswith("tiny@0123, verdicts: its own\n")


def test_parts_have_tables_of_their_own_if_there_are_any(results):
    assert parts_markdown(results) == ""
    metrics = results.sets[0].metrics
    split = replace(results.sets[0], languages={"de": metrics}, categories={"c": metrics})
    text = parts_markdown(replace(results, sets=(split, results.sets[1])))
    assert text.count("| gip |") == 2 and "| set | languages |" in text and "| gip | c | 5 | 3 | 0.667 |" in text


@pytest.mark.parametrize(("width", "heading"), [(80, False), (140, True)])
def test_the_terminal_table_fits(results, width, heading):
    screen = io.StringIO()
    Console(width=width, file=screen).print(terminal(results, width))
    shown = screen.getvalue()
    assert ("AUPRC" in shown) is heading
    assert "R@1%FPR" in shown and "dev/benign" in shown and "…" not in shown
