"""Rows are frozen values with the defaults that the training loop relies on."""

from __future__ import annotations

import dataclasses

import pytest

from unigurd_sdk.policy import Policy
from unigurd_trainer.rows import CellKey, Episode, Example


def test_an_example_is_a_user_text_about_which_no_match_is_known():
    example = Example("hi", 0, "here", "MIT")
    assert (example.role, example.prompt, example.matched, example.lang) == ("user", None, None, "en")


def test_rows_cannot_be_changed():
    example = Example("hi", 0, "here", "MIT")
    with pytest.raises(dataclasses.FrozenInstanceError):
        example.label = 1  # type: ignore[misc]


def test_rows_have_no_dict():
    episode = Episode(Policy(name="p", description="d"), (), "pool")
    assert not hasattr(episode, "__dict__")


def test_cell_keys_tell_equal_intents_of_two_sources_apart():
    assert CellKey("a", "home", "lights") != CellKey("b", "home", "lights")
