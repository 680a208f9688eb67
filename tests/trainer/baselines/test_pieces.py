"""Pieces of a text: short enough, and nothing is missing or only cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from unigurd_trainer.baselines.pieces import OVERLAP, pieces


@given(st.integers(0, 3000), st.integers(OVERLAP + 1, 1000))
def test_pieces_overlap_and_hold_every_character(length, longest):
    text = "".join(chr(0x4E00 + n) for n in range(length))  # every character stands once
    made = pieces(text, longest)
    assert all(len(piece) <= longest for piece in made)
    assert made[0] + "".join(piece[OVERLAP:] for piece in made[1:]) == text
    assert all(len(piece) > OVERLAP for piece in made[1:])


def test_a_text_that_fits_is_its_only_piece():
    assert pieces("", 10) == [""] and pieces("x" * 10, 10) == ["x" * 10]
