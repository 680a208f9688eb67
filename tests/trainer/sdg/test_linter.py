"""The linter: each thing that it finds, and nothing in policies that are in order."""

from __future__ import annotations

import numpy as np
import pytest

from unigurd_sdk.policy import Policy
from unigurd_sdk.registry import builtin_policies, example_policies
from unigurd_trainer.sdg.linter import lint

SHIPPED = {**builtin_policies(), **example_policies()}


class Given:
    """Embeds texts by the vectors given for them; all others are orthogonal."""

    def __init__(self, **vectors):
        self._vectors = {text.replace("_", " "): vector for text, vector in vectors.items()}

    def embed(self, texts):
        rows = np.zeros((len(texts), 64), dtype=np.float32)
        for row, text in enumerate(texts):
            vector = self._vectors.get(text)
            if vector is None:
                rows[row, 2 + (hash(text) % 62)] = 1.0
            else:
                rows[row, :2] = vector
        return rows


def policy(**values):
    return Policy(
        **({"name": "p", "description": "The desk of a garden shop.", "disallowed": ["Mixing pesticides"]} | values)
    )


def codes(found, severity=None):
    return [finding.code for finding in found if severity in (None, finding.severity)]


def test_a_policy_in_order_has_no_finding():
    assert lint(policy(allowed=["Plant care"], kind="ban")) == ()


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_shipped_policies_have_no_error(name):
    assert codes(lint(SHIPPED[name]), "error") == []


@pytest.mark.parametrize(
    ("values", "severity"),
    [
        ({"disallowed": [], "description": "Be nice."}, "error"),
        ({"disallowed": [], "description": "Never talks about pesticides."}, "warning"),
        ({"kind": "scope"}, "warning"),
        ({"kind": "ban", "disallowed": [], "allowed": ["Plant care"]}, "warning"),
    ],
)
def test_empty_lists(values, severity):
    assert codes(lint(policy(**values)), severity) == ["empty"]


def test_the_same_words_on_both_sides_contradict():
    (finding,) = lint(policy(allowed=["Mixing pesticides."]))
    assert (finding.severity, finding.code, finding.lines) == ("error", "contradiction", ("allowed.0", "disallowed.0"))
    assert "keep it on one side" in finding.message


def test_anything_else_on_both_sides_contradicts():
    found = lint(policy(allowed=["Anything else"], disallowed=["All other requests"]))
    assert codes(found, "error") == ["contradiction"]


def test_the_same_words_twice_on_one_side():
    (finding,) = lint(policy(disallowed=["Mixing pesticides", "Mixing, pesticides!"]))
    assert (finding.severity, finding.code, finding.lines) == ("warning", "repeated", ("disallowed.0", "disallowed.1"))


@pytest.mark.parametrize("line", ["Do not mix pesticides", "never mix pesticides", "No pesticides", "Avoid pesticides"])
def test_negation_in_the_disallowed_list(line):
    assert codes(lint(policy(disallowed=[line]))) == ["negated"]
    assert codes(lint(policy(allowed=[line]))) == []


@pytest.mark.parametrize("line", ["bad things", "Plants etc.", "Inappropriate content", "Any"])
def test_vague_lines(line):
    assert codes(lint(policy(disallowed=[line]))) == ["vague"]


def test_long_lines_and_descriptions():
    assert codes(lint(policy(disallowed=["pesticides " * 60]))) == ["long"]
    assert codes(lint(policy(description="garden " * 200))) == ["long"]


def test_a_description_of_a_scope_with_the_kind_of_a_ban():
    assert codes(lint(policy(kind="ban", description="Only answers about plants."))) == ["kind"]


def test_an_example_under_both_labels():
    examples = [{"text": "Mix it", "label": "safe"}, {"text": "mix  it", "label": "unsafe"}]
    (finding,) = lint(policy(examples=examples))
    assert (finding.code, finding.lines) == ("example", ("examples.0", "examples.1"))


def test_equal_meanings_on_both_sides_contradict():
    embedder = Given(Plant_care=(1, 0), Mixing_pesticides=(0.98, 0.199))
    (finding,) = lint(policy(allowed=["Plant care"]), embedder)
    assert (finding.severity, finding.code) == ("error", "contradiction")


@pytest.mark.parametrize(("side", "code"), [("allowed", "close"), ("disallowed", "overlap")])
def test_near_meanings_are_a_warning(side, code):
    lists = {"disallowed": ["Mixing pesticides"]}
    lists[side] = [*lists.get(side, ()), "Blending sprays"]
    embedder = Given(Blending_sprays=(1, 0), Mixing_pesticides=(0.9, 0.436))
    (finding,) = lint(policy(**lists), embedder)
    assert (finding.severity, finding.code) == ("warning", code)


def test_an_example_nearer_to_the_other_side():
    embedder = Given(Plant_care=(0, 1), Mixing_pesticides=(1, 0), Strong_spray=(0.8, 0.6), Water_it=(0, 1))
    examples = [{"text": "Strong spray", "label": "safe"}, {"text": "Water it", "label": "safe"}]
    (finding,) = lint(policy(allowed=["Plant care"], examples=examples), embedder)
    assert (finding.code, finding.lines) == ("example", ("examples.0", "disallowed.0"))


def test_a_description_that_forbids_what_is_allowed():
    embedder = Given(**{"Plant care": (1, 0), "It never gives plant care.": (0.95, 0.312)})
    found = lint(policy(allowed=["Plant care"], description="A shop. It never gives plant care."), embedder)
    assert [(finding.code, finding.lines) for finding in found] == [("description", ("description", "allowed.0"))]


def test_lines_in_a_script_that_the_encoder_cannot_read_are_not_compared():
    embedder = Given(**{"音乐剪辑": (1, 0), "编排与队形": (1, 0)})
    assert lint(policy(allowed=["音乐剪辑"], disallowed=["编排与队形"]), embedder) == ()


def test_errors_come_first():
    found = lint(policy(allowed=["Mixing pesticides."], disallowed=["Do not mow lawns", "Mixing pesticides"]))
    assert codes(found) == ["contradiction", "negated"]
