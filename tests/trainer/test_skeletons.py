"""Skeletons put behaviours into wordings, one documented join at a time."""

from __future__ import annotations

import json

import pytest

from unigurd_trainer.skeletons import JOINS, Skeleton, phrase

ITEMS = ["tax", "loans", "cards"]

EXPECTED = {
    "bullets": "- tax\n- loans\n- cards",
    "star-bullets": "* tax\n* loans\n* cards",
    "dashes": "– tax\n– loans\n– cards",
    "checkboxes": "[ ] tax\n[ ] loans\n[ ] cards",
    "numbered": "1. tax\n2. loans\n3. cards",
    "lettered": "(a) tax;\n(b) loans; or\n(c) cards",
    "roman": "(i) tax\n(ii) loans\n(iii) cards",
    "yaml": '    - "tax"\n    - "loans"\n    - "cards"',
    "json": '["tax", "loans", "cards"]',
    "pipes": "tax | loans | cards",
    "commas": "tax, loans, cards",
    "semicolons": "tax; loans; cards",
    "semicolons-or": "tax; loans; or cards",
    "semicolons-and": "tax; loans; and cards",
    "or": "tax, loans or cards",
    "and": "tax, loans and cards",
    "as-well-as": "tax, loans as well as cards",
}


def skeleton(**changes):
    row = {
        "id": "x", "kind": "ban", "text": "Block:\n{disallowed}\nNo more.", "join": {"disallowed": "bullets"},
        "forms": ["noun"], "min_items": 1, "max_items": 3, "unlisted": "allowed",
    }  # fmt: skip
    return Skeleton.from_json(row | changes)


@pytest.mark.parametrize("name", sorted(JOINS))
def test_every_join_does_what_its_name_says(name):
    assert JOINS[name](ITEMS) == EXPECTED[name]


@pytest.mark.parametrize("name", ["or", "and", "commas", "semicolons", "semicolons-or", "pipes", "as-well-as"])
def test_one_item_stands_alone(name):
    assert JOINS[name](["tax"]) == "tax"


@pytest.mark.parametrize(
    ("name", "items", "joined"),
    [
        ("or", ["tea or milk", "rum"], "tea or milk; or rum"),
        ("and", ["tea, hot", "rum"], "tea, hot; and rum"),
        ("or", ["sport", "orders"], "sport or orders"),
        ("commas", ["tea, hot", "rum"], "tea, hot; rum"),
    ],
)
def test_items_that_hold_the_joining_word_are_set_off_by_semicolons(name, items, joined):
    assert JOINS[name](items) == joined


def test_json_and_yaml_survive_quotes():
    assert json.loads(JOINS["json"](['say "hi"'])) == ['say "hi"']
    assert JOINS["yaml"](['say "hi"']) == '    - "say \\"hi\\""'


def test_a_skeleton_renders_its_lists_and_leaves_out_one_without_a_place():
    assert skeleton().render(disallowed=["a", "b"], allowed=["c"]) == "Block:\n- a\n- b\nNo more."


def test_doubled_braces_become_single_ones():
    row = skeleton(text='{{"deny": {disallowed}}}', join={"disallowed": "json"})
    assert json.loads(row.render(disallowed=["a"])) == {"deny": ["a"]}


def test_a_heading_is_the_wording_without_its_list():
    assert skeleton().heading == "Block:\nNo more."


def test_a_sentence_has_no_heading():
    assert skeleton(text="Refuse {disallowed}.", join={"disallowed": "or"}).heading == ""


@pytest.mark.parametrize("change", [{"kind": "ode"}, {"unlisted": "maybe"}, {"forms": ["haiku"]}])
def test_unknown_words_are_refused(change):
    with pytest.raises(ValueError, match="skeleton 'x'"):
        skeleton(**change)


def test_phrasings_are_found_by_form():
    assert phrase(["g", "n", "c", "b"], "clause") == "c"
    assert phrase(["n", "b"], "bullet") == "b"


def test_a_behaviour_with_two_phrasings_has_no_clause():
    with pytest.raises(KeyError):
        phrase(["n", "b"], "clause")
