"""The instructions: what they say, what they keep to themselves, and when their hash changes."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from unigurd_sdk.policy import Policy, PolicyExample
from unigurd_trainer.sdg import prompts
from unigurd_trainer.sdg.controls import DIFFICULTIES, plan
from unigurd_trainer.sdg.samples import Control

LABEL_WORDS = re.compile(
    r"\b(un)?safe\b|\blabel|\b(non-?)?compliant\b|\bviolat|\bharmful\b|\bmalicious\b", re.IGNORECASE
)


def text_of(messages):
    return "\n".join(message["content"] for message in messages)


def test_the_instruction_to_write_has_no_label_words(policy):
    for control in {replace(c, persona="") for c in plan(policy, 100)}:
        assert LABEL_WORDS.search(text_of(prompts.write(policy, [control]))) is None


@pytest.mark.parametrize("kind", ["ban", "scope"])
@pytest.mark.parametrize("listed", ["allowed", "disallowed", "none"])
@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_every_control_has_words(policy, kind, listed, difficulty):
    behaviour = "" if listed == "none" else "Asking for soup"
    control = Control(behaviour=behaviour, listed=listed, difficulty=difficulty)
    written = text_of(prompts.write(policy.model_copy(update={"kind": kind}), [control]))
    assert ("Asking for soup" in written) == bool(behaviour)
    assert "$" not in written


def test_each_text_has_its_own_wish(policy):
    controls = [
        Control("Asking for a recipe", "disallowed", persona="a nurse", length="long"),
        Control("Asking for a recipe", "disallowed", persona="a teacher", augment="typing"),
    ]
    written = text_of(prompts.write(policy, controls))
    assert "Write exactly 2 texts" in written
    assert "1. a nurse; 80 to 160 words" in written
    assert "2. a teacher; 5 to 20 words; typed in haste" in written


def test_examples_and_policy_are_shown_as_they_are(policy):
    odd = policy.model_copy(update={"description": "Pay $5 or {nothing} at all."})
    written = text_of(prompts.write(odd, [Control(listed="none")], [PolicyExample(text='Say "hi"', label="safe")]))
    assert "Pay $5 or {nothing} at all." in written
    assert json.dumps('Say "hi"') in written


def test_the_judge_sees_texts_and_not_what_they_were_written_as(policy):
    written = text_of(prompts.judge(policy, ['One\n2. "two"', "Three"]))
    assert '1. "One\\n2. \\"two\\""\n2. "Three"' in written
    assert "disallowed" not in written and policy.name not in written


def test_the_settlement_shows_both_rationales_as_equals(policy):
    written = text_of(prompts.settle(policy, "A text", "It is fine.", "It is a recipe."))
    assert "ONE READER: It is fine." in written and "THE OTHER READER: It is a recipe." in written


def test_the_clarification_lists_the_disputes(policy):
    written = text_of(prompts.clarify(policy, [("Soup?", "It is fine.", "It is a recipe."), ("Tea?", "a", "b")]))
    assert '1. "Soup?"' in written and '2. "Tea?"' in written


def test_the_hash_changes_with_the_wording_and_the_schema():
    instruction = prompts.WRITE
    assert re.fullmatch("[0-9a-f]{12}", instruction.hash)
    assert instruction.hash == replace(instruction).hash
    assert replace(instruction, user=instruction.user + " ").hash != instruction.hash
    assert replace(instruction, schema={}).hash != instruction.hash


@pytest.mark.parametrize("instruction", [prompts.WRITE, prompts.JUDGE, prompts.SETTLE, prompts.CLARIFY])
def test_schemas_are_strict(instruction):
    def check(schema):
        if schema.get("type") == "object":
            assert schema["additionalProperties"] is False
            assert schema["required"] == list(schema["properties"])
            for each in schema["properties"].values():
                check(each)
        if schema.get("type") == "array":
            check(schema["items"])

    check(instruction.schema)


def test_a_policy_without_lines_has_no_empty_lists():
    assert prompts.policy_text(Policy(name="p", description="No insults.")) == "No insults."
