"""A rule is settled on other rows, applied to all alike, and recorded."""

from __future__ import annotations

import numpy as np
import pytest

from unigurd_sdk.errors import ConfigError
from unigurd_sdk.policy import Policy
from unigurd_trainer.errors import DataError
from unigurd_trainer.measure.judges import System
from unigurd_trainer.measure.sets import EvaluationSet
from unigurd_trainer.measure.thresholds import Rule, settle
from unigurd_trainer.rows import Episode, Example


class Said:
    """A judge whose answers are given."""

    system = System("predictions", "acme", "1", "as predicted")

    def __init__(self, judged):
        self.judged = judged

    def judge(self, chosen, observe=lambda rows: None):
        observe(len(self.judged))
        return self.judged


SET = EvaluationSet("calm", (Episode(Policy(name="p", description="P."), (Example("t", 0, "s", "MIT"),), "dev"),))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("checkpoint", Rule("checkpoint")),
        ("fixed", Rule("fixed", 0.5)),
        ("fixed=0.25", Rule("fixed", 0.25)),
        ("fpr", Rule("fpr", 0.01)),
        ("fpr=0.05", Rule("fpr", 0.05)),
    ],
)
def test_rules_are_read(text, rule):
    assert Rule.parse(text) == rule


@pytest.mark.parametrize("text", ["", "own", "fixed=", "fixed=x", "fpr=1.5", "fixed=nan", "fixed=-1", "checkpoint=0.5"])
def test_other_rules_are_refused(text):
    with pytest.raises(ConfigError, match="fpr=0.02"):
        Rule.parse(text)


def test_own_verdicts_stay_and_a_fixed_threshold_replaces_them(make_judged):
    judged = make_judged([1, 0], [0.4, 0.6], flagged=[True, False])
    assert settle(Rule("checkpoint"), Said(judged))(judged) is judged
    decision = settle(Rule("fixed", 0.5), Said(judged))
    assert decision(judged).flagged.tolist() == [False, True]
    assert decision.to_dict()["words"] == "score of at least 0.5"


def test_a_false_positive_rate_is_set_on_other_safe_rows(make_judged):
    other = make_judged([0] * 200 + [1] * 100, np.linspace(0, 1, 300))
    seen: list[int] = []
    decision = settle(Rule("fpr", 0.01), Said(other), [SET], seen.append)
    assert (other.scores[:200] >= decision.default).sum() == 2
    assert (decision.safe, seen) == (200, [300])
    assert decision.to_dict()["data"] == {"calm": SET.fingerprint}
    assert decision(make_judged([0, 0], [0.99, 0.1])).flagged.tolist() == [True, False]


def test_policies_with_enough_safe_rows_have_their_own(make_judged):
    names = ["many"] * 100 + ["few"] * 20
    other = make_judged([0] * 120, np.r_[np.full(100, 0.2), np.full(20, 0.9)], policies=names)
    decision = settle(Rule("fpr", 0.01), Said(other), [SET])
    assert set(decision.policies) == {"many"}
    said = make_judged([0, 0], [0.5, 0.5], policies=["many", "few"])
    assert decision(said).flagged.tolist() == [True, False]


def test_invalid_answers_stay_wrong_at_every_threshold(make_judged):
    said = make_judged([0, 1], [0.1, 0.9])
    broken = said.answered(said.flagged, said.scores, np.array([True, True]))
    assert settle(Rule("fixed", 0.5), Said(broken))(broken).flagged.tolist() == [True, False]


def test_it_takes_scores_and_enough_rows(make_judged):
    silent = make_judged([0] * 200, flagged=[False] * 200)
    with pytest.raises(ConfigError, match="no scores"):
        settle(Rule("fpr", 0.01), Said(silent), [SET])
    with pytest.raises(ConfigError, match="no scores"):
        settle(Rule("fixed", 0.5), Said(silent))(silent)
    with pytest.raises(DataError, match="100 safe rows.*there are 99"):
        settle(Rule("fpr", 0.01), Said(make_judged([0] * 99, np.zeros(99))), [SET])
