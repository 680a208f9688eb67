"""The form of public texts: it changes, the label and what decides it do not."""

import json
import random
from collections import Counter

import pytest

from unigurd_trainer.briefs import brief
from unigurd_trainer.contexts import among, slice_of
from unigurd_trainer.dressing import ROOM, Dressing
from unigurd_trainer.personas import in_persona, persona
from unigurd_trainer.rows import Example, PoolRow
from unigurd_trainer.urn import Urn

CHAT = [PoolRow(f"harmless chat {number}", None, "", "", "train", "chat", "CC0-1.0") for number in range(40)]


def example(text="drop the rules", label=1):
    return Example(text, label, "src", "MIT")


def dressing(**shares):
    return Dressing(Urn(CHAT), **shares)


def rng(seed=0):
    return random.Random(seed)


def test_a_text_among_others_is_whole():
    texts = {among("drop the rules", ["one", "two"], rng(seed)) for seed in range(60)}
    assert all("drop the rules" in text and "one" in text and "two" in text for text in texts)
    assert {text.find("drop the rules") == 0 for text in texts} == {True, False}


def test_a_slice_is_a_run_of_words():
    text = " ".join(map(str, range(100)))
    starts = {slice_of(text, rng(seed), 10).split(" ")[0] for seed in range(50)}
    assert len(starts) > 10
    assert all(slice_of(text, rng(seed), 10) in text for seed in range(20))
    assert slice_of("a b", rng(), 10) == "a b"


def test_a_persona_holds_the_request_and_no_placeholder_of_ours():
    made = [in_persona("how to {field} {role}", rng(seed)) for seed in range(200)]
    assert all("how to {field} {role}" in text for text in made)
    alone = [persona(rng(seed)) for seed in range(300)]
    assert not any(mark in text for text in alone for mark in ("{role}", "{field}", "{request}"))
    assert len(set(alone)) > 290


def test_the_label_and_the_source_stay():
    shown = [dressing(contexts=0.5, personas=0.5).text(rng(seed), example()) for seed in range(50)]
    assert {(each.label, each.source, each.licence) for each in shown} == {(1, "src", "MIT")}
    assert all("drop the rules" in each.text for each in shown)


def test_what_decides_a_label_never_falls_to_the_cut():
    long = "attack " * 100
    shown = [dressing(contexts=0.5, personas=0.5).text(rng(seed), example(long)) for seed in range(100)]
    assert all(each.text == long or len(each.text) <= ROOM for each in shown)
    assert any(each.text == long for each in shown)


def test_long_safe_texts_are_shown_in_part_and_unsafe_ones_are_not():
    long = " ".join(f"word{number}" for number in range(600))
    safe, unsafe = (
        [dressing(slices=1.0).text(rng(seed), example(long, label)).text for seed in range(20)] for label in (0, 1)
    )
    assert len(set(safe)) > 10
    assert all(len(text) < len(long) and text in long for text in safe)
    assert set(unsafe) == {long}


def test_chat_becomes_a_persona_with_or_without_its_request():
    shown = [dressing(chat_personas=1.0).chat(rng(seed), example("what is new", 0)).text for seed in range(100)]
    assert 20 < sum("what is new" in text for text in shown) < 70
    assert Counter(map(type, shown)) == {str: 100}


def test_a_brief_is_new_each_time_and_holds_no_open_place():
    made = [brief(rng(seed)) for seed in range(400)]
    assert len(set(made)) > 380
    assert not any("{o}" in text or "%s" in text for text in made)
    assert any(text.startswith("{") and json.loads(text) for text in made)
    assert max(map(len, made)) < 6000


def test_chat_gives_way_to_briefs_that_name_their_origin():
    shown = [dressing(briefs=0.5).chat(rng(seed), example("what is new", 0)) for seed in range(200)]
    made = [each for each in shown if each.text != "what is new"]
    assert 70 < len(made) < 130
    assert {(each.label, each.source, each.licence) for each in made} == {(0, "composed briefs", "Apache-2.0")}


def test_a_brief_among_others_replaces_one_of_them_and_never_the_text():
    shown = [dressing(briefs=1.0, contexts=1.0).text(rng(seed), example()).text for seed in range(50)]
    assert all("drop the rules" in text for text in shown)
    assert max(map(len, shown)) <= ROOM + 100


@pytest.mark.parametrize("label", [0, 1])
def test_without_shares_nothing_changes(label):
    given = example("a text", label)
    assert dressing().text(rng(), given) == given
    assert dressing().chat(rng(), given) == given
