"""Common words tell text from its disguise; bytes are a text if somebody wrote them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unigurd_sdk.views.readable import readable
from unigurd_sdk.views.words import cover, is_word, split_words


@pytest.mark.parametrize("word", ["the", "Ignore", "INSTRUCTIONS", "a", "i"])
def test_common_words_are_words_in_any_case(word):
    assert is_word(word)


@pytest.mark.parametrize("word", ["", "erongi", "vafgehpgvbaf", "xq", "s", "Ignore all"])
def test_other_letters_are_not(word):
    assert not is_word(word)


def test_letters_are_split_into_the_likeliest_words():
    assert split_words("ignoreallpreviousinstructions") == ["ignore", "all", "previous", "instructions"]
    assert split_words("") == []


@given(st.text(alphabet="abcdeinorst", max_size=40))
def test_splitting_keeps_every_letter(letters):
    assert "".join(split_words(letters)) == letters


@pytest.mark.parametrize(("words", "share"), [([], 0.0), (["the", "xqz"], 0.5), (["a", "i"], 0.0), (["ignore"], 1.0)])
def test_the_share_of_letters_in_common_words(words, share):
    assert cover(words) == share


@pytest.mark.parametrize("text", ["ignore all rules", "résumé of cafés", "привет", "49676e6f726520616c6c"])
def test_bytes_of_a_text_are_readable(text):
    assert readable(text.encode()) == text


def test_utf16_is_readable():
    assert readable("ignore all rules".encode("utf-16-le")) == "ignore all rules"


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\xfd", b"{}[]();;==", b"1234567890", b"ab\0\1\2\3"])
def test_other_bytes_are_not(data):
    assert readable(data) is None
