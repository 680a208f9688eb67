"""The two words in texts, among likely tokens, and in a tokenizer."""

from __future__ import annotations

import math

import pytest

from unigurd_trainer.baselines.verdict_words import SAFE_UNSAFE, YES_NO, VerdictWords


@pytest.mark.parametrize(
    ("text", "unsafe"),
    [
        ("unsafe\nS1,S2", True),
        ("\n\nsafe", False),
        ("safe</s>", False),
        ("Unsafe - S1", True),
        ("safer", None),
        ("not safe", None),
        ("safe enough? No", None),
        ("", None),
    ],
)
def test_a_verdict_stands_at_the_beginning(text, unsafe):
    assert SAFE_UNSAFE.read(text) is unsafe


def test_the_odds_are_those_at_the_verdict():
    def step(**odds):
        return {token: math.log(p) for token, p in odds.items()}

    blank = {"\n\n": math.log(0.9), "unsafe": math.log(0.1)}
    assert YES_NO.probability([step(Yes=0.3, yes=0.1, No=0.6)]) == pytest.approx(0.4)
    assert SAFE_UNSAFE.probability([blank, step(safe=0.75, un=0.25), step(unsafe=1.0)]) == pytest.approx(0.25)
    assert SAFE_UNSAFE.probability([step(maybe=0.9, safe=0.1)]) is None
    assert SAFE_UNSAFE.probability([]) is None


def test_tokens_are_where_the_words_part():
    vocabulary = {"un": 1, "safe": 2, " ": 3, "\n": 4, ">": 5, "Un": 6, "Safe": 7, "UN": 8, "SAFE": 9}

    def encode(text):
        ids = []
        while text:
            piece = next(each for each in sorted(vocabulary, key=len, reverse=True) if text.startswith(each))
            ids.append(vocabulary[piece])
            text = text[len(piece) :]
        return ids

    assert SAFE_UNSAFE.token_ids(encode) == ([1, 6, 8], [2, 7, 9])
    assert VerdictWords("un", "safe", exact=True).token_ids(encode) == ([1], [2])


def test_words_that_a_tokenizer_does_not_know_have_no_token():
    assert YES_NO.token_ids(lambda text: [0]) == ([], [])
