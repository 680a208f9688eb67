"""Questions: what a model is asked about the rows of evaluation sets, without the labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from unigurd_sdk.policy import Policy
from unigurd_sdk.template import Role
from unigurd_trainer.measure.predictions import row_id
from unigurd_trainer.measure.sets import EvaluationSet

__all__ = ["Question", "questions"]


@dataclass(frozen=True, slots=True)
class Question:
    """One text to judge under one policy.

    Attributes:
        id: Its `row_id`, which its prediction carries.
        policy: The policy.
        role: Who wrote the text: ``user``, ``assistant`` or ``document``.
        prompt: The user's prompt, where the text is a response.
        text: What is judged.
    """

    id: str
    policy: Policy
    role: Role
    prompt: str | None
    text: str


def questions(sets: Iterable[EvaluationSet]) -> Iterator[Question]:
    """Yield what the sets ask, each question once, in the order of the rows."""
    asked: set[str] = set()
    for episode in (episode for each in sets for episode in each.episodes):
        for row in episode.examples:
            prompt = row.prompt if row.role == "assistant" else None
            key = row_id(episode.policy, row.role, prompt, row.text)
            if key not in asked:
                asked.add(key)
                yield Question(key, episode.policy, row.role, prompt, row.text)
