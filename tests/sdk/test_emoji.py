"""Emoji are read by name, and offsets still point into the text as it was given."""

import pytest

from unigurd_sdk.emoji import spell_emoji


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("no emoji → at all", "no emoji → at all"),
        ("ha😂ha", "ha face with tears of joy ha"),
        ("👍🏿", " thumbs up sign  dark skin tone "),
        ("🇫🇷", "fr"),
        ("🐒🐒", " monkey  monkey "),
    ],
)
def test_emoji_become_words(text, spelled):
    assert spell_emoji(text)[0] == spelled


def test_every_written_out_character_points_to_where_it_came_from():
    text = "a😂b🇫🇷c"
    spelled, origin = spell_emoji(text)
    assert origin is not None
    assert len(origin) == len(spelled) + 1
    assert origin[-1] == len(text)
    assert {text[at] for at, char in zip(origin, spelled, strict=False) if char in "joy"} == {"😂"}
    assert spelled[origin.index(text.index("b"))] == "b"


def test_an_emoji_without_a_name_stays():
    assert spell_emoji("\U0001faff?")[0] == "\U0001faff?"


def test_a_tokenizer_keeps_offsets_of_the_given_text(tiny_tokenizer):
    text = "hello 😂 world"
    encoding = tiny_tokenizer.encode(text)
    assert all(0 <= start < end <= len(text) for start, end in encoding.offsets)
    pieces = [text[start:end] for start, end in encoding.offsets]
    assert pieces.count("😂") > 1
    assert "".join(pieces).endswith("world")
