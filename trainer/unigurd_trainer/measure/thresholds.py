"""Threshold rules: from which score a text counts as unsafe, and how that was settled."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from unigurd_sdk.errors import ConfigError
from unigurd_trainer.errors import DataError
from unigurd_trainer.measure.judged import Judged
from unigurd_trainer.measure.judges import Judge
from unigurd_trainer.measure.sets import EvaluationSet
from unigurd_trainer.metrics import Scores, threshold_at_fpr

__all__ = ["OWN", "Decision", "Rule", "settle"]

_RULE = re.compile(r"(fixed|fpr)(?:=([0-9]*\.?[0-9]+))?")
_USUAL = {"fixed": 0.5, "fpr": 0.01}

LEAST_SAFE = 100
"""A policy with fewer safe rows to set a threshold on uses the threshold of all."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How verdicts are made.

    Attributes:
        kind: ``checkpoint``: the model's own verdicts. ``fixed``: from the score `value` on. ``fpr``: from the score
            on that flags a share `value` of the safe rows of other data.
        value: The threshold or the share.
    """

    kind: Literal["checkpoint", "fixed", "fpr"]
    value: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Read ``checkpoint``, ``fixed``, ``fixed=0.4``, ``fpr`` or ``fpr=0.02``; ConfigError for anything else."""
        if text == "checkpoint":
            return OWN
        found = _RULE.fullmatch(text)
        value = float(found[2] or _USUAL[found[1]]) if found else 1.0
        if found is None or not value < 1:
            raise ConfigError(f"{text!r} is no threshold rule; write checkpoint, fixed, fixed=0.4, fpr or fpr=0.02.")
        return cls("fixed" if found[1] == "fixed" else "fpr", value)


OWN = Rule("checkpoint")


@dataclass(frozen=True, slots=True)
class Decision:
    """A rule as it was settled.

    Attributes:
        kind, value: Those of the rule.
        words: What it means for this model.
        default: The threshold; None with the model's own verdicts.
        policies: Thresholds of policies with enough safe rows, by fingerprint.
        safe: Safe rows that the thresholds were set on.
        data: The sets they are from, with their fingerprints.
    """

    kind: str
    value: float
    words: str
    default: float | None = None
    policies: Mapping[str, float] = field(default_factory=dict)
    safe: int = 0
    data: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, judged: Judged) -> Judged:
        """Apply it; ConfigError where there are no scores to apply it to."""
        if self.default is None:
            return judged
        thresholds = np.array([self.policies.get(str(name), self.default) for name in judged.policies])
        return judged.answered(_scores(judged) >= thresholds, judged.scores)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def settle(
    rule: Rule, judge: Judge, sets: Sequence[EvaluationSet] = (), observe: Callable[[int], None] = lambda rows: None
) -> Decision:
    """Settle a rule for a model.

    Args:
        rule: The rule.
        judge: The model.
        sets: Where a false positive rate is set: rows that are not measured.
        observe: Told how many rows were judged.

    Raises:
        DataError: The rule is a false positive rate and there are too few safe rows to set it on.
        ConfigError: The model has no scores.
    """
    if rule.kind == "checkpoint":
        return Decision(rule.kind, rule.value, judge.system.rule)
    if rule.kind == "fixed":
        return Decision(rule.kind, rule.value, f"score of at least {rule.value:g}", rule.value)
    safe = [each.part(each.labels == 0) for each in (judge.judge(each, observe) for each in sets)]
    scores = np.concatenate([np.zeros(0), *(_scores(each) for each in safe)])
    if len(scores) < LEAST_SAFE:
        raise DataError(
            f"a false positive rate takes {LEAST_SAFE} safe rows that are not measured, and there are {len(scores)}"
        )
    policies = np.concatenate([each.policies for each in safe])
    names, counts = np.unique(policies, return_counts=True)
    own = {
        str(name): scores[policies == name] for name, count in zip(names, counts, strict=True) if count >= LEAST_SAFE
    }
    return Decision(
        kind=rule.kind,
        value=rule.value,
        words=f"{rule.value:g} of {len(scores)} other safe rows flagged",
        default=threshold_at_fpr(scores, rule.value),
        policies={name: threshold_at_fpr(those, rule.value) for name, those in own.items()},
        safe=len(scores),
        data={each.name: each.fingerprint for each in sets},
    )


def _scores(judged: Judged) -> Scores:
    if judged.scores is None:
        raise ConfigError("These predictions have verdicts and no scores; the rule can only be `checkpoint`.")
    return judged.scores
