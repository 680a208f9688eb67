"""The template: how a policy becomes lines with a polarity, and a text gets its role marker."""

from __future__ import annotations

import pytest

from unigurd_sdk.policy import Policy, PolicyExample
from unigurd_sdk.template import ROLES, Line, Polarity, policy_lines, split_sentences, text_prefix


def test_a_policy_is_its_description_then_what_it_allows_then_what_it_disallows():
    policy = Policy(
        name="tax",
        title="A title",
        description="No tax advice. General terms are fine.",
        allowed=["What VAT is"],
        disallowed=["My own return. And its refund."],
    )
    assert policy_lines(policy) == (
        Line("No tax advice.", Polarity.DESCRIPTION),
        Line("General terms are fine.", Polarity.DESCRIPTION),
        Line("What VAT is", Polarity.ALLOWED),
        Line("My own return. And its refund.", Polarity.DISALLOWED),
    )


def test_only_what_is_judged_is_read():
    one = Policy(
        name="a", title="x", domain="y", description="No cats.", examples=[PolicyExample(text="t", label="safe")]
    )
    assert policy_lines(one) == policy_lines(Policy(name="b", description="No cats."))


def test_polarities_are_the_ids_that_checkpoints_were_trained_with():
    assert [(p.name, int(p)) for p in Polarity] == [("DESCRIPTION", 0), ("ALLOWED", 1), ("DISALLOWED", 2)]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Refuse:\n- cats\n* dogs\n\u2022 cows\n\u2013 pigs", ["Refuse:", "cats", "dogs", "cows", "pigs"]),
        ("1. cats\n2) dogs\n(3) cows\n(iv) pigs\nb. hens", ["cats", "dogs", "cows", "pigs", "hens"]),
        ("[ ] cats\n    - dogs", ["cats", "dogs"]),
        ("No cats! Really? Yes.", ["No cats!", "Really?", "Yes."]),
        ('Stop. "Never" means never. (Not once.)', ["Stop.", '"Never" means never.', "(Not once.)"]),
        ("Use e.g. version 2.5 of it.", ["Use e.g. version 2.5 of it."]),
        ("well-known -dashes- stay 3.5", ["well-known -dashes- stay 3.5"]),
        ("one\n\n\n  \ntwo\r\nthree", ["one", "two", "three"]),
        ("\u7981\u6b62\u8ba8\u8bba\u653f\u6cbb", ["\u7981\u6b62\u8ba8\u8bba\u653f\u6cbb"]),
    ],
)
def test_descriptions_are_split_into_sentences_and_items(text, parts):
    assert split_sentences(text) == parts


@pytest.mark.parametrize("text", ["-", "1.", "...", "- \n- ", "?! ?!"])
def test_a_text_without_words_still_is_a_line(text):
    parts = split_sentences(text)
    assert parts
    assert all(parts)


def test_splitting_loses_no_word():
    text = "First rule. Second (rule): a; b, c!\n - Third\n\n2) Fourth? Fifth \u2026 Sixth"
    words = "First rule. Second (rule): a; b, c! Third Fourth? Fifth \u2026 Sixth"
    assert " ".join(split_sentences(text)) == words


def test_every_role_has_its_own_marker():
    markers = [text_prefix(role) for role in ROLES]
    assert markers == ["Query: ", "Response: ", "Document: "]


def test_a_response_may_come_with_the_prompt_that_it_answers():
    assert text_prefix("assistant", "How?") == "Query: How?\nResponse: "
    assert text_prefix("assistant", "") == "Query: \nResponse: "


@pytest.mark.parametrize("role", ["user", "document"])
def test_a_prompt_is_read_for_responses_only(role):
    assert text_prefix(role, "How?") == text_prefix(role)


@pytest.mark.parametrize("role", ["system", "", "User"])
def test_an_unknown_role_is_an_error_that_names_the_known_ones(role):
    with pytest.raises(ValueError, match="user, assistant, document"):
        text_prefix(role)
