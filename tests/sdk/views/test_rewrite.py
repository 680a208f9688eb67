"""A rewrite gives the changed text, and leads every part of it back to where that stood."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unigurd_sdk.views import Rewrite, replace_spans, substitute


def rewritten(text, *spans) -> Rewrite:
    rewrite = replace_spans(text, spans)
    assert rewrite is not None
    return rewrite


def test_parts_are_replaced_in_place():
    assert rewritten("one two three", (0, 3, "1"), (8, 13, "3")).text == "1 two 3"


@pytest.mark.parametrize("spans", [(), ((0, 1, None),), ((0, 1, "a"),)])
def test_nothing_changed_is_none(spans):
    assert replace_spans("abc", spans) is None


def test_matches_are_replaced_or_left():
    rewrite = substitute(re.compile("[0-9]"), "a1b2", lambda match: "one" if match[0] == "1" else None)
    assert rewrite is not None
    assert rewrite.text == "aoneb2"


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("long", "short"),  # all of a replaced part
        ("on", "short"),  # a piece of a replaced part comes from all of it
        ("g b", "short b"),
        ("b", "b"),
        (" end", " end"),
        ("a long b end", "a short b end"),
    ],
)
def test_a_part_leads_back_to_what_it_came_from(part, source):
    text = "a short b end"
    rewrite = rewritten(text, (2, 7, "long"))
    start = rewrite.text.index(part)
    first, last = rewrite.source(start, start + len(part))
    assert text[first:last] == source


def test_only_replaced_parts_and_their_borders_are_changed():
    rewrite = rewritten("0123456789", (4, 6, "xx"))
    assert [rewrite.changed(start, start + 1) for start in range(10)] == [3 <= start <= 6 for start in range(10)]


def test_where_something_was_left_out_is_changed():
    rewrite = rewritten("ab-cd", (2, 3, ""))
    assert rewrite.changed(1, 3)
    assert not rewrite.changed(3, 4)


def test_of_a_whole_only_the_whole_is_known():
    rewrite = Rewrite.whole("source", "another text")
    assert rewrite.source(3, 5) == (0, 6)
    assert rewrite.changed(3, 5)


@given(text=st.text(alphabet="ab-", max_size=40), new=st.sampled_from(["", "x", "yyy"]))
def test_sources_are_in_the_text_and_in_order(text, new):
    rewrite = substitute(re.compile("-+"), text, lambda match: new)
    if rewrite is None:
        assert "-" not in text
        return
    size = len(rewrite.text)
    spans = [rewrite.source(at, at + 1) for at in range(size)]
    assert all(0 <= start <= end <= len(text) for start, end in spans)
    assert spans == sorted(spans)
    assert rewrite.source(0, size) == (0, len(text))
    for at, (start, end) in enumerate(spans):
        if rewrite.text[at] in "ab":
            assert rewrite.text[at] in text[start:end]
