"""Answers in every wrapping that models use; what is complete is kept, nothing is guessed."""

from __future__ import annotations

import json
import time

import pytest

from unigurd_trainer.sdg.parsing import (
    Opinion,
    fault_of,
    is_refusal,
    read_keyed,
    read_object,
    read_objects,
    read_opinions,
    read_texts,
    side,
)
from unigurd_trainer.sdg.prompts import WRITE

ROWS = [{"id": 1, "text": "One?", "rationale": "a"}, {"id": 2, "text": "Two [x] {y}\n", "rationale": "b"}]
LIST = json.dumps(ROWS)


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps({"items": ROWS}),
        LIST,
        json.dumps({"result": {"prompts": ROWS}}),
        f"Sure! Here they are:\n```json\n{LIST}\n```\nLet me know [if] you need more.",
        f"```\n{LIST}\n```",
        f"<think>maybe {{'a': 1}} or {LIST[:30]}</think>{LIST}",
        f"let me see </think>\n{LIST}",
        "\n".join(map(json.dumps, ROWS)),
        f"1. {json.dumps(ROWS[0])}\n2. {json.dumps(ROWS[1])}",
        LIST.replace("\\n", "\n"),
        json.dumps({"items": {"1": ROWS[0], "2": ROWS[1]}}),
        LIST[:-1] + ",]}",
        '{"items": [' + LIST[1:-1] + ', {"id": 3, "text": "cut of',
    ],
    ids=["object", "list", "nested", "fenced", "bare-fence", "thoughts", "end-of-thoughts", "lines", "numbered",
         "raw-newline", "mapping", "trailing-comma", "truncated"],
)  # fmt: skip
def test_both_texts_are_found_in(answer):
    texts = read_texts(answer, 2)
    assert [(texts.found[place].text, texts.found[place].rationale) for place in (0, 1)] == [
        ("One?", "a"),
        ("Two [x] {y}", "b"),
    ]


@pytest.mark.parametrize("answer", ["", "No JSON here.", "[1, 2]", '{"type": "object"}', "{", '["a", "b"]', "null"])
def test_nothing_is_found_in(answer):
    assert read_texts(answer, 2) == read_texts("", 2)


def test_a_text_may_speak_of_thoughts():
    answer = json.dumps([{"text": "Skip <think> and </think> please", "rationale": "r"}])
    assert read_texts(answer, 1).found[0].text == "Skip <think> and </think> please"


def test_ids_say_which_control_a_text_is_for():
    answer = json.dumps([{"id": "3", "text": "C", "rationale": "r"}, {"text": "A", "rationale": "r"}])
    assert {place: each.text for place, each in read_texts(answer, 3).found.items()} == {2: "C", 0: "A"}


def test_wrong_and_repeated_ids_take_the_places_that_are_left():
    answer = json.dumps([{"id": n, "text": f"T{n}{at}", "rationale": "r"} for at, n in enumerate([1, 1, 99])])
    assert sorted(read_texts(answer, 3).found) == [0, 1, 2]


def test_more_than_was_asked_for_is_counted_and_left_out():
    answer = json.dumps([{"text": f"T{n}", "rationale": "r"} for n in range(4)])
    texts = read_texts(answer, 3)
    assert len(texts.found) == 3 and texts.rejected == {"surplus": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("  ", "empty"),
        ("x" * 101, "too_long"),
        ("[UNSAFE] Tell me", "label"),
        ("Label: safe. Tell me", "label"),
        ("Noncompliant: tell me", "label"),
        ("Is it unsafe to swim here?", ""),
        ("Allowed amount of luggage?", ""),
    ],
)
def test_texts_that_cannot_be_used_are_turned_down(text, reason):
    sentence = next(iter(sorted(WRITE.sentences())))
    assert fault_of(text, max_chars=100) == reason
    assert fault_of(f"So: {sentence.upper()} ok") == "template"


def test_a_text_without_a_rationale_is_turned_down():
    assert read_texts('[{"text": "A", "rationale": ""}, {"text": "B"}]', 2).rejected == {"empty": 2}


def test_half_a_surrogate_pair_does_not_break_files():
    texts = read_texts('[{"text": "A \\ud83d b\\u0000", "rationale": "r"}]', 1)
    assert texts.found[0].text.encode("utf-8").decode() == "A \ufffd b"


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, but I can't help with that.",
        "I’m really sorry, but I cannot assist with this request.",
        "I can't create content that helps people evade taxes.",
        "As an AI language model, I will not provide such prompts.",
        "Sorry, but we are unable to comply.",
        "<think>hm</think>I must decline to write these.",
        "Unfortunately, I am not able to generate these texts.",
        "Es tut mir leid, aber ich kann dabei nicht helfen.",
        "抱歉，我无法协助。",
    ],
)
def test_a_refusal_is_recognised(answer):
    assert is_refusal(answer)


@pytest.mark.parametrize("answer", ["Here you are.", "I'm sorry to bother you, where is my form?", LIST, ""])
def test_what_is_no_refusal(answer):
    assert not is_refusal(answer)


def test_a_text_is_refused_only_by_an_apology():
    refused = read_texts('[{"text": "I\'m sorry, I can\'t help with that.", "rationale": "r"}]', 1)
    kept = read_texts('[{"text": "I can\'t write my essay, help", "rationale": "r"}]', 1)
    assert (refused.refused, len(refused.found)) == (1, 0)
    assert (kept.refused, len(kept.found)) == (0, 1)


def test_opinions_are_read_by_id():
    rows = [
        {"id": 2, "verdict": "Violates", "rationale": "r", "confidence": "80%"},
        {"id": 1, "verdict": "complies", "reason": "s"},
        {"id": 3, "verdict": "perhaps"},
    ]
    assert read_opinions(json.dumps(rows), 3) == {1: Opinion(1, "r", 0.8), 0: Opinion(0, "s", 1.0)}


@pytest.mark.parametrize(
    ("word", "label"),
    [
        ("violates", 1),
        ("UNSAFE", 1),
        (True, 1),
        ("non-compliant", 1),
        ("complies", 0),
        (False, 0),
        ("", None),
        (None, None),
    ],
)
def test_the_words_of_a_verdict(word, label):
    assert side(word) == label


@pytest.mark.parametrize(
    ("said", "confidence"), [(0.5, 0.5), ("0.5", 0.5), (70, 0.7), (-1, 0.0), ("high", 1.0), ("nan", 1.0)]
)
def test_confidence_is_a_share(said, confidence):
    answer = json.dumps([{"verdict": "violates", "rationale": "r", "confidence": said}])
    assert read_opinions(answer, 1)[0].confidence == confidence


def test_an_object_is_found_at_any_depth():
    assert read_object('Here: {"policy": {"description": "d", "allowed": []}}', "description") == {
        "description": "d",
        "allowed": [],
    }
    assert read_object("[]", "description") is None
    assert read_object('{"description": "cut', "description") is None


def test_hostile_nesting_takes_no_time():
    started = time.perf_counter()
    assert read_objects("[" * 100_000 + '{"a":' * 50_000 + "{ " * 50_000) == []
    assert time.perf_counter() - started < 5


def test_all_objects_with_a_key_are_found_at_any_depth_also_in_a_cut_answer():
    answer = '{"a": [{"rule": "1", "more": {"rule": "inside"}}, {"x": {"rule": "2"}}, 3, {"rule": "cut'
    assert [row["rule"] for row in read_keyed(answer, "rule")] == ["1", "2"]
    assert read_keyed("no JSON", "rule") == []
