"""Scores of a trained guard for labelled rows, each under its own policy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np

from unigurd_sdk import Guard
from unigurd_sdk.policy import Policy
from unigurd_sdk.template import Role
from unigurd_trainer.dedup.records import Record
from unigurd_trainer.metrics import Scores

__all__ = ["guard_scores"]


def guard_scores(guard: Guard, records: Sequence[Record], policies: Iterable[Policy] = ()) -> Scores:
    """Score N records: [N] probabilities of a violation, NaN where the policy is unknown or the text was not read.

    Args:
        guard: The guard; with `on_error="block"` a text that it cannot read does not stop the others.
        records: What to score.
        policies: Policies that the records name and the guard does not have, or has otherwise.
    """
    known = {**guard.policies, **{policy.name: policy for policy in policies}}
    rows: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, record in enumerate(records):
        if record.policy in known:
            rows[record.policy, record.role].append(number)
    scores = np.full(len(records), np.nan)
    for (name, role), numbers in rows.items():
        chosen = [records[number] for number in numbers]
        texts, prompts = [record.text for record in chosen], [record.prompt for record in chosen]
        verdicts = guard.check_batch(texts, known[name], role=cast(Role, role), prompts=prompts)
        scores[numbers] = [np.nan if verdict.error else verdict.score for verdict in verdicts]
    return scores
