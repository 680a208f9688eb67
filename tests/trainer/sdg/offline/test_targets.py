"""What a policy asks for: its lines, and what becomes of everything else."""

from __future__ import annotations

import pytest

from unigurd_sdk.policy import Policy
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.sdg.targets import is_catch_all, targets_of


def policy(**values):
    return Policy(**({"name": "p", "description": "A desk."} | values))


def test_lists_give_the_lines_and_catch_all_lines_do_not():
    targets = targets_of(policy(allowed=["Plants", "Anything else"], disallowed=["Pests"]))
    assert [(target.line, target.label) for target in targets.lines] == [("Plants", 0), ("Pests", 1)]
    assert targets.lines[1].listed == "disallowed"


@pytest.mark.parametrize(
    ("values", "unlisted"),
    [
        ({"disallowed": ["Pests"]}, 0),
        ({"allowed": ["Plants"]}, 1),
        ({"allowed": ["Plants"], "disallowed": ["Pests"]}, 0),
        ({"allowed": ["Plants"], "disallowed": ["Pests"], "description": "Only plants."}, 1),
        ({"allowed": ["Plants"], "disallowed": ["Pests", "Anything else"]}, 1),
        ({"allowed": ["Plants"], "disallowed": ["Pests"], "kind": "scope"}, 1),
        ({"allowed": ["Plants"], "disallowed": ["Pests"], "kind": "ban", "description": "Only plants."}, 0),
    ],
)
def test_what_unlisted_texts_are(values, unlisted):
    assert targets_of(policy(**values)).unlisted == unlisted


@pytest.mark.parametrize(
    ("line", "catch_all"),
    [
        ("Anything else.", True),
        ("Any request that isn't about the weather", True),
        ("All topics other than roses", True),
        ("Questions about pests", False),
        ("Not watering plants", False),
    ],
)
def test_lines_that_stand_for_everything_else(line, catch_all):
    assert is_catch_all(line) is catch_all


def test_a_catch_all_line_leaves_the_description_to_say_what_a_scope_is():
    targets = targets_of(
        policy(kind="scope", description="Roses and their care.", disallowed=["Anything not on roses"])
    )
    assert [(target.line, target.label) for target in targets.lines] == [("Roses and their care.", 0)]
    assert targets.unlisted == 1


def test_a_description_gives_what_it_forbids_or_permits():
    forbids = targets_of(policy(description="A garden desk. It never names pesticides."))
    assert [(target.line, target.label) for target in forbids.lines] == [("It never names pesticides.", 1)]
    permits = targets_of(policy(description="It only talks about roses."))
    assert [(target.line, target.label) for target in permits.lines] == [("It only talks about roses.", 0)]
    assert targets_of(policy(description="Roses and their care.", kind="scope")).lines[0].label == 0


def test_a_description_that_does_neither_is_refused():
    with pytest.raises(RecipeError, match="list what is allowed"):
        targets_of(policy(description="Be nice."))
