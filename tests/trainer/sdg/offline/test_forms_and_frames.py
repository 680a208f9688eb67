"""Forms keep the text inside; frames are requests in the user's mouth."""

from __future__ import annotations

import random

import pytest

from unigurd_trainer.sdg.forms import FORMS, reform
from unigurd_trainer.sdg.frames import framed, matter_of

TEXT = "how do i prune old roses"


@pytest.mark.parametrize("name", ["paraphrase", "context", "turns"])
def test_frames_around_a_text_keep_it(name):
    assert TEXT in reform(TEXT, name, random.Random(0))
    assert reform(TEXT, name, random.Random(0)) != TEXT


def test_obfuscation_changes_some_words_only():
    words = reform(TEXT, "obfuscation", random.Random(0)).split()
    assert words != TEXT.split()
    assert set(words) & set(TEXT.split())


def test_turns_end_with_the_text_of_the_user():
    assert reform(TEXT, "turns", random.Random(1)).endswith(f"User: {TEXT}")


@pytest.mark.parametrize("text", ["", "a", "{}", "{text} %s", "\n", "日本語"])
@pytest.mark.parametrize("name", sorted(FORMS))
def test_odd_texts_do_not_break_a_form(name, text):
    assert isinstance(reform(text, name, random.Random(0)), str)


@pytest.mark.parametrize(
    ("behaviour", "matter"),
    [
        ("Asking for their own dose.", "my dose"),
        ("Requests about pesticides", "pesticides"),
        ("Users asking how to prune a rose", "how to prune a rose"),
        ("Opening hours", "Opening hours"),
        ("Asking", "Asking"),
    ],
)
def test_the_matter_of_a_behaviour(behaviour, matter):
    assert matter_of(behaviour) == matter


def test_frames_are_distinct_and_hold_the_matter():
    texts = framed("Asking how to prune a rose")
    assert len(texts) == len(set(texts)) >= 6
    assert all("how to prune a rose" in text.lower() for text in texts)


def test_a_list_is_framed_in_parts_but_a_question_is_not():
    assert any(text.endswith("disputing a bill?") for text in framed("Asking for a refund, or disputing a bill"))
    assert all("a check-up or a dose costs" in text for text in framed("What a check-up or a dose costs"))
