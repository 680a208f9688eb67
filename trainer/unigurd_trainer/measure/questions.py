"""Questions: what a model is asked about the rows of evaluation sets, without the labels."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unigurd_sdk.policy import Policy
from unigurd_sdk.template import Role
from unigurd_trainer.measure.predictions import row_hash
from unigurd_trainer.measure.sets import EvaluationSet
from unigurd_trainer.rows import Episode
from unigurd_trainer.sdg.shards import make_folder, replace_file

__all__ = ["Question", "asked", "questions", "write_questions"]


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

    def to_dict(self) -> dict[str, Any]:
        """Plain values: the policy by its name and in the words that a model may be shown."""
        policy = self.policy
        rule = {"description": policy.description, "allowed": policy.allowed, "disallowed": policy.disallowed}
        own = {"role": self.role, "prompt": self.prompt, "text": self.text}
        return {"id": self.id, "policy": policy.name} | rule | own


def asked(episodes: Iterable[Episode]) -> Iterator[Question]:
    """Yield the question of every row, in order; equal rows ask the same."""
    for episode in episodes:
        fingerprint = episode.policy.fingerprint
        for row in episode.examples:
            prompt = row.prompt if row.role == "assistant" else None
            key = row_hash(fingerprint, row.role, prompt, row.text)
            yield Question(key, episode.policy, row.role, prompt, row.text)


def questions(sets: Iterable[EvaluationSet]) -> Iterator[Question]:
    """Yield what the sets ask, each question once, in the order of the rows."""
    seen: set[str] = set()
    for each in asked(episode for chosen in sets for episode in chosen.episodes):
        if each.id not in seen:
            seen.add(each.id)
            yield each


def write_questions(sets: Iterable[EvaluationSet], out: Path) -> int:
    """Write what the sets ask as JSON Lines, whole or not at all, and return how many questions there are."""
    lines = [json.dumps(each.to_dict()) for each in questions(sets)]
    make_folder(out.parent)
    replace_file(out, "".join(f"{line}\n" for line in lines).encode("ascii"))
    return len(lines)
