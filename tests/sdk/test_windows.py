"""Windows cover every token of a text, overlap as asked and advance."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unigurd_sdk.errors import ConfigError
from unigurd_sdk.windows import Window, span, split


@st.composite
def shapes(draw):
    budget = draw(st.integers(1, 60))
    return draw(st.integers(0, 600)), budget, draw(st.integers(0, budget - 1))


@given(shapes())
def test_every_token_is_in_a_window_and_no_window_leaves_the_text(shape):
    count, budget, overlap = shape
    windows = split(count, budget, overlap)
    assert {token for window in windows for token in range(window.start, window.stop)} == set(range(count))
    assert windows[0].start == 0
    assert windows[-1].stop == count


@given(shapes())
def test_windows_advance_and_overlap_by_at_least_what_is_asked(shape):
    count, budget, overlap = shape
    for before, after in pairwise(split(count, budget, overlap)):
        assert before.start < after.start
        assert before.stop < after.stop
        assert before.stop - after.start >= overlap


@given(shapes())
def test_windows_of_a_long_text_are_all_full_and_a_short_text_is_one_window(shape):
    count, budget, overlap = shape
    windows = split(count, budget, overlap)
    if count <= budget:
        assert windows == (Window(0, count),)
    else:
        assert {window.stop - window.start for window in windows} == {budget}


@given(shapes())
def test_there_are_no_more_windows_than_needed(shape):
    count, budget, overlap = shape
    step = budget - overlap
    needed = 1 if count <= budget else 1 + -(-(count - budget) // step)
    assert len(split(count, budget, overlap)) == needed


@pytest.mark.parametrize(("budget", "overlap"), [(0, 0), (-1, 0), (8, 8), (8, 9), (8, -1)])
def test_windows_that_would_not_advance_are_refused(budget, overlap):
    with pytest.raises(ConfigError):
        split(10, budget, overlap)


def test_spans_of_the_first_and_last_window_take_in_the_edges_of_the_text():
    offsets = [(2, 4), (5, 7), (8, 10)]
    assert span(Window(0, 2), offsets, 14) == (0, 7)
    assert span(Window(1, 3), offsets, 14) == (5, 14)
    assert span(Window(0, 0), [], 3) == (0, 3)
    assert span(Window(0, 0), [], 0) == (0, 0)
