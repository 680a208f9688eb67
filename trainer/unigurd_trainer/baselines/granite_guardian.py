"""Granite Guardian 3.0 to 3.3, which answers whether a text meets a criterion: "Yes" or "No".

https://github.com/ibm-granite/granite-guardian. The chat template takes the criterion in ``guardian_config``: a name
that it knows (``risk_name`` until 3.2, ``criteria_id`` in 3.3), or words of ours (``risk_definition``,
``custom_criteria``). Until 3.2 the answer begins with the word, from 3.3 on it stands in ``<score>``; we ask without
reasoning. The score is P("Yes") of the two words there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from unigurd_trainer.baselines.baseline import Baseline
from unigurd_trainer.baselines.judgement import Judgement
from unigurd_trainer.baselines.local import open_local
from unigurd_trainer.baselines.options import LocalOptions
from unigurd_trainer.baselines.policy_text import violation_text
from unigurd_trainer.baselines.verdict_words import YES_NO
from unigurd_trainer.baselines.writing import ModelWriter, Prompt, conversation, judgement_of
from unigurd_trainer.measure.questions import Question

__all__ = ["BASELINE", "GraniteGuardian", "GraniteGuardianOptions"]

CRITERIA = {
    "prompt-injection": "jailbreak",
    "sexual": "sexual_content",
    "toxicity": "profanity",
    "violence": "violence",
}
"""Policies for which it has a criterion of its own; under all others it is asked for ``harm``. This is our choice."""

TAG = "<score>"


class GraniteGuardianOptions(LocalOptions):
    """Options of Granite Guardian."""

    model: str = Field(default="ibm-granite/granite-guardian-3.3-8b", min_length=1, description="folder or repository")
    tagged: bool = Field(default=True, description="whether it answers in <score>, as 3.3 does; false until 3.2")
    criteria: Literal["own", "policy"] = Field(
        default="policy", description="what it judges by: its own criteria, or the policy of the row"
    )

    def rule(self) -> str:
        """Return how it comes to its verdict, in words."""
        return "its own criteria" if self.criteria == "own" else "the policy is the criterion"


@dataclass(frozen=True, slots=True)
class GraniteGuardian:
    """Asks Granite Guardian."""

    options: GraniteGuardianOptions
    writer: ModelWriter

    async def judge(self, question: Question) -> Judgement:
        """Judge the last message of the conversation."""
        config, holds = self._config(question)
        template = {"guardian_config": config, "think": False, "add_generation_prompt": True}
        after = TAG if self.options.tagged else ""
        prompt = Prompt(conversation(question), template, (question.text, *holds), after=after)
        written = await self.writer.write(prompt)
        tag, behind = written.text.partition(TAG)[1:] if after else (TAG, written.text)
        return judgement_of(written, YES_NO.read(behind) if tag else None)

    def _config(self, question: Question) -> tuple[dict[str, Any], tuple[str, ...]]:
        if self.options.criteria == "policy":
            rule = f"The text violates this rule: {violation_text(question.policy)}"
            return {"risk_name": question.policy.name, "risk_definition": rule, "custom_criteria": rule}, (rule,)
        name = CRITERIA.get(question.policy.name, "harm")
        return {"risk_name": name, "criteria_id": name}, ()


@asynccontextmanager
async def _open(options: GraniteGuardianOptions) -> AsyncIterator[GraniteGuardian]:
    async with open_local(options, YES_NO) as writer:
        yield GraniteGuardian(options, writer)


BASELINE = Baseline(
    name="granite-guardian",
    title="Granite Guardian",
    options=GraniteGuardianOptions,
    open=_open,
    reads="the policy, or its own criteria",
    score='P("Yes") of the two words',
    source="https://github.com/ibm-granite/granite-guardian",
    extra="baselines",
)
