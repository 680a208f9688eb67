"""Tallies: counts by label, lengths in bins, scripts."""

from __future__ import annotations

import pytest

from unigurd_trainer.dedup.records import Record
from unigurd_trainer.report.tally import LENGTHS, Split, Tally, script


def tally(*records):
    made = Tally()
    for record in records:
        made.add(record)
    return made


def test_rows_are_counted_by_label_and_value_the_most_frequent_first():
    made = tally(Record("a", 0, policy="x"), Record("b", 1, policy="y"), Record("c", 1, policy="y", flipped=True))
    assert made.labels == [1, 2]
    assert made.flipped == 1
    assert made.table("policy") == (Split("y", 0, 2), Split("x", 1, 0))


def test_a_field_that_no_row_states_has_no_table():
    assert tally(Record("a", 0)).table("source") == ()
    mixed = tally(Record("a", 0), Record("a", 0, source="web")).table("source")
    assert [split.value for split in mixed] == ["(not stated)", "web"]


def test_lengths_are_in_words():
    made = tally(*(Record("w " * count, 0) for count in (1, 4, 5, 600)))
    lengths = made.lengths(0)
    assert [lengths.bins[0], lengths.bins[1], lengths.bins[-1], sum(lengths.bins)] == [2, 1, 1, 4]
    assert lengths.quantiles == (1, 1, 4, 5, 600)
    assert made.lengths(1).bins == (0,) * len(LENGTHS)


@pytest.mark.parametrize(
    ("text", "name"), [("hello", "Latin"), ("привет x", "Cyrillic"), ("你好", "Cjk"), ("123 !", ""), ("\ud800", "")]
)
def test_the_script_is_that_of_most_letters(text, name):
    assert script(text) == name
