"""Guard scores: each row under its own policy; NaN where the guard cannot say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from unigurd_sdk.policy import Policy
from unigurd_trainer.dedup.records import Record
from unigurd_trainer.report.guarding import guard_scores


class FakeGuard:
    """Scores by the length of text and prompt; a text "unreadable" fails."""

    policies = {"tax": Policy(name="tax", description="No tax.")}

    def __init__(self):
        self.calls = []

    def check_batch(self, texts, policy, *, role, prompts):
        self.calls.append((policy.name, role))
        pairs = zip(texts, prompts, strict=True)
        return [
            SimpleNamespace(score=(len(text) + len(prompt or "")) / 100, error="no" if text == "unreadable" else None)
            for text, prompt in pairs
        ]


def test_rows_are_scored_by_policy_and_role():
    guard: Any = FakeGuard()
    records = [
        Record("ab", 0, policy="tax"),
        Record("abc", 0, policy="mine", role="assistant", prompt="why"),
        Record("a", 1, policy="tax"),
        Record("x", 1, policy="unknown"),
        Record("unreadable", 1, policy="tax"),
    ]
    scores = guard_scores(guard, records, [Policy(name="mine", description="No x.")])
    np.testing.assert_allclose(scores, [0.02, 0.06, 0.01, np.nan, np.nan])
    assert sorted(guard.calls) == [("mine", "assistant"), ("tax", "user")]
