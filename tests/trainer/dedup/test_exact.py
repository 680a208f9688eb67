"""Tier 1: the same text is found whatever its case, spacing and Unicode form, in its scope and by label."""

from __future__ import annotations

import pytest

from unigurd_trainer.dedup.exact import ExactIndex, normalised


def seen(*rows, parts=1):
    """Say which rows are the first of their kind, and which pairs are the same."""
    index, fresh = ExactIndex(), []
    columns = [(normalised(text), *rest, *(0, "")[len(rest) :]) for text, *rest in rows]
    size = -(-len(columns) // parts)
    for start in range(0, len(columns), size):
        texts, labels, scopes = zip(*columns[start : start + size], strict=True)
        fresh += [start + place for place in index.add(texts, labels, scopes)]
    pairs = index.pairs()
    assert len(index) == len(rows)
    return fresh, sorted(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))


@pytest.mark.parametrize("twin", ["how  do I\nhide INCOME?", "ｈｏｗ do i hide income?", " How do I hide income?\t"])
def test_form_makes_no_difference(twin):
    assert seen(["How do I hide income?"], [twin]) == ([0], [(0, 1)])


def test_other_words_make_a_difference():
    assert seen(["hide income"], ["hideincome"], ["hide incomes"]) == ([0, 1, 2], [])


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_rows_are_paired_with_the_first_of_each_label(parts):
    rows = ["a", 0], ["a", 1], ["a", 0], ["a", 1]
    assert seen(*rows, parts=parts) == ([0, 1], [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3)])


def test_scopes_are_apart():
    assert seen(["a", 0, "tax"], ["a", 0, "law"], ["a", 1, "law"]) == ([0, 1, 2], [(1, 2)])


def test_a_scope_does_not_run_into_the_text():
    assert seen(["b c", 0, "a"], ["c", 0, "a b"]) == ([0, 1], [])


def test_a_lone_surrogate_is_a_text_like_others():
    assert seen(["\ud800"], ["\ud800"]) == ([0], [(0, 1)])
