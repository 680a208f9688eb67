"""The plan: balanced, seeded, and the beginning of a longer one."""

from __future__ import annotations

from collections import Counter

import pytest

from unigurd_sdk.policy import Policy
from unigurd_trainer.sdg.controls import PERSONAS, Axes, label_of, plan
from unigurd_trainer.sdg.samples import Control


def sides(policy, controls):
    safe = [control for control in controls if not label_of(policy, control)]
    unsafe = [control for control in controls if label_of(policy, control)]
    return safe, unsafe


def make(kind="ban", allowed=("a", "b", "c"), disallowed=("x", "y")):
    return Policy(name="p", description="A rule.", kind=kind, allowed=list(allowed), disallowed=list(disallowed))


def test_labels_are_half_and_half(policy):
    safe, unsafe = sides(policy, plan(policy, 200))
    assert len(safe) == len(unsafe) == 100
    odd_safe, odd_unsafe = sides(policy, plan(policy, 7))
    assert (len(odd_safe), len(odd_unsafe)) == (4, 3)


def test_behaviours_and_difficulties_are_dealt_in_turn(policy):
    _, unsafe = sides(policy, plan(policy, 360))
    cells = Counter((control.behaviour, control.difficulty) for control in unsafe)
    assert len(cells) == 9
    assert max(cells.values()) - min(cells.values()) <= 1


def test_nothing_but_the_topic_tells_the_label(policy):
    safe, unsafe = sides(policy, plan(policy, 150, axes=Axes(languages=("en", "de"))))
    for axis in ("persona", "length", "language", "style", "augment"):
        assert [getattr(each, axis) for each in safe] == [getattr(each, axis) for each in unsafe]


def test_a_longer_plan_begins_with_the_shorter(policy):
    assert plan(policy, 500, seed=3)[:77] == plan(policy, 77, seed=3)


def test_the_seed_decides(policy):
    assert plan(policy, 60, seed=1) == plan(policy, 60, seed=1)
    assert plan(policy, 60, seed=1) != plan(policy, 60, seed=2)


def test_off_topic_texts_are_safe_under_a_ban_and_few():
    policy = make(allowed=["a"])
    safe, unsafe = sides(policy, plan(policy, 400))
    assert {control.listed for control in unsafe} == {"disallowed"}
    share = sum(control.listed == "none" for control in safe) / len(safe)
    assert share == pytest.approx(0.2, abs=0.01)


def test_off_topic_texts_are_unsafe_where_only_a_scope_is_welcome():
    policy = make(kind="scope", disallowed=[])
    safe, unsafe = sides(policy, plan(policy, 60))
    assert {control.listed for control in safe} == {"allowed"}
    assert {control.listed for control in unsafe} == {"none"}


def test_a_scope_with_disallowed_lines_has_both_kinds_of_unsafe_texts():
    policy = make(kind="scope")
    _, unsafe = sides(policy, plan(policy, 100))
    assert {control.listed for control in unsafe} == {"none", "disallowed"}


def test_a_mixed_policy_does_not_say_what_is_off_topic_so_nothing_is():
    policy = make(kind="mixed")
    assert all(control.behaviour for control in plan(policy, 100))


def test_a_policy_without_lines_is_written_for_by_its_description():
    policy = Policy(name="p", description="No insults.")
    safe, unsafe = sides(policy, plan(policy, 100))
    assert {(control.listed, control.behaviour) for control in unsafe} == {("disallowed", "")}
    assert {control.listed for control in safe} == {"allowed", "none"}


@pytest.mark.parametrize(
    ("kind", "listed", "label"),
    [("ban", "allowed", 0), ("ban", "disallowed", 1), ("ban", "none", 0), ("", "none", 0), ("scope", "none", 1)],
)
def test_the_control_gives_the_label(kind, listed, label):
    assert label_of(make(kind=kind), Control(listed=listed)) == label


def test_no_samples_need_no_plan(policy):
    assert plan(policy, 0) == []


def test_every_persona_gets_its_turn(policy):
    assert {control.persona for control in plan(policy, 2 * len(PERSONAS))} == set(PERSONAS)
