"""Drafts: what is asked for, and policies out of answers of every shape; what is of no use is counted."""

from __future__ import annotations

import json

import pytest

from unigurd_sdk.policy import Policy
from unigurd_trainer.sdg.policy_drafting import DRAFT, PER_REQUEST, draft, read_policies
from unigurd_trainer.sdg.taxonomy import Commission

BAN = Commission("beekeeping", "ban", "a small family business", "physical safety")
SCOPE = Commission("beekeeping", "scope", "a small family business", "physical safety")
GOOD = {
    "title": "Hive Help",
    "description": "No chemical treatments.",
    "allowed": ["Asking how to move a hive"],
    "disallowed": ["Asking for the dose of an acid", "Mixing a spray"],
}


def read(*rows, commission=BAN):
    return read_policies(json.dumps({"items": rows}), commission)


def test_the_commission_and_the_examples_reach_the_model():
    shown = Policy(name="p", title="T", description="No $x.", disallowed=["Asking for x"])
    system, user = draft(BAN, [shown])
    assert system["content"] == DRAFT.system
    for part in (
        *(BAN.domain, BAN.operator, BAN.concern),
        f"exactly {PER_REQUEST} policies",
        '"description": "No $x."',
    ):
        assert part in user["content"]
    assert draft(SCOPE, [])[1]["content"] != draft(BAN, [])[1]["content"]


def test_a_policy_is_named_by_its_title_and_words():
    (policy,), rejected = read(GOOD)
    assert policy.name == f"hive-help-{policy.fingerprint[:8]}" and not rejected
    assert (policy.title, policy.domain, policy.kind) == ("Hive Help", "beekeeping", "ban")
    assert (policy.description, policy.disallowed) == (GOOD["description"], tuple(GOOD["disallowed"]))
    ((other,), _), ((nameless,), _) = read({**GOOD, "description": "No acid."}), read({**GOOD, "title": "養蜂"})
    assert other.name != policy.name and nameless.name == f"policy-{policy.fingerprint[:8]}"


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps(GOOD),
        f"<think>{{}}</think>Here it is:\n```json\n[{json.dumps(GOOD)}]\n```",
        json.dumps({"policies": {"first": {"policy": GOOD}}}),
        json.dumps({"items": [GOOD]})[:-2] + ', {"title": "Cut", "description": "It ends he',
        json.dumps({"name": "Hive Help", "rule": GOOD["description"], "permitted": GOOD["allowed"],
                    "forbidden": "1. Asking for the dose of an acid\n- Mixing a  spray\n\n"}),
        json.dumps({**GOOD, "disallowed": [{"behaviour": line} for line in GOOD["disallowed"]], "note": 1}),
        json.dumps({**GOOD, "allowed": [*GOOD["allowed"], "", 7, "asking how to move a hive"]}),
    ],
    ids=["bare", "fenced", "nested", "cut", "other names", "objects", "repeated"],
)  # fmt: skip
def test_answers_of_every_shape(answer):
    ((policy,), rejected), ((expected,), _) = read_policies(answer, BAN), read(GOOD)
    assert policy == expected and not rejected


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"description": " "}, "empty"),
        ({"description": None}, "empty"),
        ({"description": "x" * 2001}, "too_long"),
        ({"disallowed": []}, "list"),
        ({"disallowed": 3}, "list"),
        ({"disallowed": ["Asking how to move a hive!"]}, "contradiction"),
        ({"disallowed": ["Asking how to move a hive"]}, "invalid"),
        ({"description": DRAFT.system.split("\n")[0]}, "template"),
    ],
)
def test_what_is_of_no_use_is_counted_by_reason(change, reason):
    policies, rejected = read({**GOOD, **change}, GOOD)
    assert len(policies) == 1 and rejected == {reason: 1}


def test_a_list_is_needed_by_the_kind():
    only = {"description": "Only hives.", "allowed": ["Asking how to move a hive"]}
    assert len(read(only, commission=SCOPE)[0]) == 1
    assert read(only)[1] == {"list": 1}


@pytest.mark.parametrize("answer", ["", "I cannot.", "[]", '{"text": "x"}', '{"description": "cut'])
def test_answers_without_a_policy(answer):
    assert read_policies(answer, BAN) == ([], {})
