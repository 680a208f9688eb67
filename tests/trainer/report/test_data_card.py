"""The card of a data set: what it holds and where it is from, in Markdown that data cannot break."""

from __future__ import annotations

from unigurd_sdk.policy import Policy
from unigurd_trainer.report.card import card
from unigurd_trainer.report.measure import measure


def test_the_card_says_what_the_data_is(write, make_rows):
    rows = make_rows(40, source="forum", licence="CC-BY-4.0", generator="offline", language="en")
    policy = Policy(name="harm", description="No harm.", disallowed=["asking for weapons"])
    text = card(measure([write(rows)]), name="my data", policies=[policy])
    assert text.startswith("# my data\n")
    for line in (
        "| all | 20 | 20 |",
        "- forum: 40 rows",
        "- CC-BY-4.0: 40 rows",
        "- offline: 40 rows",
        "- en: 40 rows",
    ):
        assert line in text.splitlines()
    assert "### harm, version 1\n\nNo harm.\n\nDisallowed:\n\n- asking for weapons\n" in text
    assert "- rows that repeat another, by wording: 0.0%" in text
    assert "## Known limits" in text


def test_what_is_not_stated_is_said(write, make_rows):
    text = card(measure([write(make_rows(40))]), name="x")
    assert "## Generators\n\nNot stated." in text
    assert "## Sources and licences\n\nNot stated." in text


def test_data_cannot_write_markup(hostile_report, hostile):
    text = card(hostile_report, name=hostile)
    assert "\\<script\\>" in text
    assert "<script" not in text.replace("\\<", "")
    assert "](http" not in text.replace("\\]", "")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {4}
    text.encode("utf-8")
