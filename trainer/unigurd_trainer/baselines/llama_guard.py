"""Llama Guard 1 to 4, which writes "safe", or "unsafe" and the codes of categories on the next line.

The prompt comes from the chat template of the tokenizer. The score is P("unsafe") of the two words at the first token
of the verdict, as the card of https://huggingface.co/meta-llama/Meta-Llama-Guard-2-8B has it, normalised over both.
With ``categories=policy`` the policy of the row is the only category, as in the paper (appendix A.3): Llama Guard 3 and
4 take it through their template, the others in the frame of `llama_guard_format`.
https://www.llama.com/docs/model-cards-and-prompt-formats/llama-guard-3/
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import Field

from unigurd_trainer.baselines.baseline import Baseline
from unigurd_trainer.baselines.counting import Count, Taxonomy
from unigurd_trainer.baselines.judgement import Judgement
from unigurd_trainer.baselines.llama_guard_format import guard_prompt
from unigurd_trainer.baselines.local import open_local
from unigurd_trainer.baselines.options import CountOptions, WriterOptions
from unigurd_trainer.baselines.policy_text import violation_text
from unigurd_trainer.baselines.remote import KEYS, chat_endpoint, open_remote
from unigurd_trainer.baselines.verdict_words import SAFE_UNSAFE
from unigurd_trainer.baselines.writing import ModelWriter, Prompt, Written, conversation, judgement_of
from unigurd_trainer.measure.questions import Question

__all__ = ["BASELINE", "TAXONOMIES", "LlamaGuard", "LlamaGuardOptions", "guard_judgement"]

HAZARDS = {
    "S1": "Violent Crimes", "S2": "Non-Violent Crimes", "S3": "Sex-Related Crimes", "S4": "Child Sexual Exploitation",
    "S5": "Defamation", "S6": "Specialized Advice", "S7": "Privacy", "S8": "Intellectual Property",
    "S9": "Indiscriminate Weapons", "S10": "Hate", "S11": "Suicide & Self-Harm", "S12": "Sexual Content",
    "S13": "Elections", "S14": "Code Interpreter Abuse",
}  # fmt: skip

TAXONOMIES: Mapping[int, Taxonomy] = {
    1: Taxonomy(
        categories={
            "O1": "Violence and Hate", "O2": "Sexual Content", "O3": "Criminal Planning",
            "O4": "Guns and Illegal Weapons", "O5": "Regulated or Controlled Substances", "O6": "Self-Harm",
        },
        policies={
            "cyber": ("O3",), "harassment": ("O1",), "hate": ("O1",), "illicit": ("O3", "O5"), "self-harm": ("O6",),
            "sexual": ("O2",), "toxicity": ("O1",), "violence": ("O1",), "weapons": ("O4",),
        },
    ),
    2: Taxonomy(
        categories={
            "S1": "Violent Crimes", "S2": "Non-Violent Crimes", "S3": "Sex-Related Crimes",
            "S4": "Child Sexual Exploitation", "S5": "Specialized Advice", "S6": "Privacy",
            "S7": "Intellectual Property", "S8": "Indiscriminate Weapons", "S9": "Hate", "S10": "Suicide & Self-Harm",
            "S11": "Sexual Content",
        },
        policies={
            "cyber": ("S2",), "finance": ("S5",), "harassment": ("S9",), "hate": ("S9",), "illicit": ("S2",),
            "legal": ("S5",), "medical": ("S5",), "privacy": ("S6",), "self-harm": ("S10",),
            "sexual": ("S3", "S4", "S11"), "tax": ("S5",), "toxicity": ("S9",), "violence": ("S1",),
            "weapons": ("S1", "S2", "S8"),
        },
    ),
    3: Taxonomy(
        categories=HAZARDS,
        policies={
            "cyber": ("S2", "S14"), "finance": ("S6",), "harassment": ("S10",), "hate": ("S10",), "illicit": ("S2",),
            "legal": ("S6",), "medical": ("S6",), "misinformation": ("S5", "S13"), "privacy": ("S7",),
            "self-harm": ("S11",), "sexual": ("S3", "S4", "S12"), "tax": ("S6",), "toxicity": ("S10",),
            "violence": ("S1",), "weapons": ("S1", "S2", "S9"),
        },
    ),
}  # fmt: skip
"""By version; 4 has those of 3."""


class LlamaGuardOptions(CountOptions, WriterOptions):
    """Options of a Llama Guard."""

    model: str = Field(default="meta-llama/Llama-Guard-3-8B", min_length=1, description="folder or repository")
    generation: Literal[1, 2, 3, 4] = Field(default=3, description="generation of the model, which has its categories")
    categories: Literal["own", "policy"] = Field(
        default="own", description="what it judges by: its own categories, or the policy of the row as the only one"
    )

    def taxonomy(self, usual: Taxonomy) -> Taxonomy | None:
        """Return the categories of the generation; None if it judges by the policy."""
        return TAXONOMIES.get(self.generation, usual) if self.categories == "own" else None

    def rule(self) -> str:
        """Return how it comes to its verdict, in words."""
        return super().rule() if self.categories == "own" else "the policy is the only category"


@dataclass(frozen=True, slots=True)
class LlamaGuard:
    """Asks a Llama Guard."""

    options: LlamaGuardOptions
    writer: ModelWriter

    async def judge(self, question: Question) -> Judgement:
        """Judge the last message of the conversation."""
        written = await self.writer.write(self._prompt(question))
        taxonomy = self.options.taxonomy(TAXONOMIES[3])
        return guard_judgement(written, taxonomy, self.options.count, question.policy.name)

    def _prompt(self, question: Question) -> Prompt:
        messages = conversation(question)
        holds = tuple(each["content"] for each in messages)
        template: dict[str, Any] = {"add_generation_prompt": True} if self.options.generation == 4 else {}
        if self.options.categories == "own":
            return Prompt(messages, {} if self.options.endpoint else template, holds)
        code = "S1" if self.options.generation > 1 else "O1"
        categories = {code: f"{question.policy.title or question.policy.name}.\n{violation_text(question.policy)}"}
        if self.options.generation > 2:
            return Prompt(messages, {**template, "categories": categories}, (*holds, question.policy.description))
        return Prompt(text=guard_prompt(messages, categories, llama_3=self.options.generation == 2))


def guard_judgement(written: Written, taxonomy: Taxonomy | None, count: Count, policy: str) -> Judgement:
    """Read an answer of the family. Under `mapped`, danger of other categories only is none: it scores 0."""
    unsafe = SAFE_UNSAFE.read(written.text)
    codes = tuple(dict.fromkeys(re.findall(r"\b[OS]\d{1,2}\b", written.text))) if unsafe else ()
    judged = judgement_of(written, unsafe, codes)
    if taxonomy is None or not codes or not set(codes) <= set(taxonomy.categories):
        return judged  # a code that is not known may be of any policy
    return judged if taxonomy.found(codes, policy, count) else replace(judged, flagged=False, score=0.0)


@asynccontextmanager
async def _open(options: LlamaGuardOptions) -> AsyncIterator[LlamaGuard]:
    endpoint = options.endpoint
    remote = open_remote(chat_endpoint(options, endpoint, options.model), SAFE_UNSAFE) if endpoint else None
    async with remote or open_local(options, SAFE_UNSAFE) as writer:
        yield LlamaGuard(options, writer)


BASELINE = Baseline(
    name="llama-guard",
    title="Llama Guard",
    options=LlamaGuardOptions,
    open=_open,
    reads="its own categories, or the policy",
    score='P("unsafe") of the two words',
    source="https://www.llama.com/docs/model-cards-and-prompt-formats/llama-guard-3/",
    taxonomy=TAXONOMIES[3],
    keys=KEYS,
    extra="baselines",
)
