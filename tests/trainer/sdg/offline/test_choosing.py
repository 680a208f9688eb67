"""Choosing: one meaning never stands on both sides."""

from __future__ import annotations

import random
from itertools import chain

from unigurd_sdk.policy import Policy
from unigurd_trainer.sdg.choosing import choose_listed, choose_siblings
from unigurd_trainer.sdg.matching import Matcher
from unigurd_trainer.sdg.shelves import shelves_of
from unigurd_trainer.sdg.targets import targets_of


def choose(material, words, floor=0.45, **lists):
    targets = targets_of(Policy(name="p", description="A desk.", **lists))
    shelves = shelves_of(material)
    matches = Matcher(shelves, words).match([target.line for target in targets.lines], depth=100)
    listed = choose_listed(targets, matches, shelves, floor)
    siblings = choose_siblings(targets, matches, shelves, [*chain.from_iterable(listed.values())], random.Random(0))
    return listed, siblings


def test_texts_follow_their_line_nearest_first(material, words):
    listed, _ = choose(material, words, allowed=["Asking to prune a rose"], disallowed=["Asking to mow a lawn"])
    (roses, lawns) = listed.values()
    assert roses and lawns
    assert all("rose" in choice.text.text and choice.label == 0 for choice in roses)
    assert all("lawn" in choice.text.text and choice.label == 1 for choice in lawns)
    assert [choice.nearness for choice in roses] == sorted((choice.nearness for choice in roses), reverse=True)


def test_lines_that_cannot_be_told_apart_get_nothing(material, words):
    listed, _ = choose(material, words, allowed=["Asking to prune roses"], disallowed=["Asked to prune a rose"])
    assert {choice.label for choice in chain.from_iterable(listed.values())} != {0, 1}


def test_the_floor_keeps_far_texts_out(material, words):
    listed, _ = choose(material, words, floor=1.01, disallowed=["Asking to mow a lawn"])
    assert [*chain.from_iterable(listed.values())] == []


def test_siblings_are_less_near_than_what_was_chosen(material, words):
    listed, siblings = choose(material, words, disallowed=["Asking to repair an oven"], floor=0.6)
    least = min(choice.nearness for choice in chain.from_iterable(listed.values()))
    assert siblings
    assert all(choice.label == 0 and choice.nearness < least and "oven" not in choice.text.text for choice in siblings)


def test_without_a_word_on_unlisted_texts_there_are_no_siblings(material, words):
    _, siblings = choose(material, words, disallowed=["Asking about quantum chromodynamics"])
    assert siblings == []
