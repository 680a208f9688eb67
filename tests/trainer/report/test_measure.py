"""Measuring: counts of all rows, judgements on a sample, places of what is pointed at."""

from __future__ import annotations

import json

import numpy as np
import pytest

from unigurd_sdk.errors import ConfigError
from unigurd_trainer.errors import DataError
from unigurd_trainer.report.findings import findings
from unigurd_trainer.report.measure import measure


def report_of(places, **options):
    return measure(places, **options)


def test_a_data_set_is_measured(write, make_rows, bag):
    rows = list(make_rows(200, wrong=0.1))
    report = report_of([write([*rows, *rows[:20], {**rows[0], "label": 1 - rows[0]["label"]}])], embedder=bag)
    assert report.rows == report.duplicates["rows"] == report.sampled == 221
    assert report.duplicates["exact"] == 20
    assert report.duplicates["review"] == 1
    assert report.sample_duplicates["rows"] == 221
    assert report.noise.suspect == pytest.approx(0.1, abs=0.06)
    assert report.suspects
    assert report.nearest[0][2] == 1.0
    json.dumps(report.to_dict())


def test_rows_are_pointed_at_by_file_and_line(write, make_rows, bag):
    rows = list(make_rows(300))
    for row in rows[1::20]:
        row["label"] = 0
    shown, other = report_of([write(rows, "shard.jsonl")], embedder=bag).suspects[0]
    assert (shown.file, shown.label, shown.policy) == ("shard.jsonl", 0, "harm")
    assert shown.line % 20 == 2
    assert shown.text == rows[shown.line - 1]["text"]
    assert other > 0.5


def test_models_look_at_a_sample_only_and_the_same_every_time(write, make_rows, bag):
    path = write(make_rows(300, wrong=0.2))
    first, second, other = (report_of([path], embedder=bag, most=100, seed=seed) for seed in (0, 0, 1))
    assert (first.rows, first.sampled) == (300, 100)
    assert first == second != other


def test_a_guard_is_asked_about_the_sample(write, make_rows, bag):
    asked = []

    def scorer(records):
        asked.extend(records)
        return np.array([0.5 + 0.4 * (2 * record.label - 1) for record in records])

    report = report_of([write(make_rows(60))], embedder=bag, scorer=scorer)
    assert len(asked) == 60
    assert (report.noise.guard, report.noise.guarded) == (0.0, 60)


def test_without_an_embedder_words_are_still_measured(write, make_rows):
    report = report_of([write(make_rows(60))])
    assert report.shortcut.wording > 0.9
    assert (report.noise, report.sample_duplicates, report.nearest) == (None, None, ())


def test_findings_say_what_stands_out(write, make_rows, bag):
    rows = list(make_rows(100))
    bad = report_of([write([*rows, *[row for row in rows if row["label"]] * 4])], embedder=bag)
    text = " ".join(findings(bad))
    assert "83% of the rows are unsafe" in text
    assert "67% of the rows repeat others" in text
    assert "Single words tell the label" in text


def test_one_label_is_a_finding(write):
    report = report_of([write([{"text": f"text {number}", "label": 0} for number in range(5)])])
    assert findings(report)[0].startswith("All rows have one label")


def test_bad_lines_and_empty_data_are_errors(write):
    with pytest.raises(DataError, match="line 1"):
        report_of([write([{"text": "x"}])])
    with pytest.raises(DataError, match="no row"):
        report_of([write([])])
    with pytest.raises(ConfigError, match="most"):
        report_of([write([])], most=0)
