"""Aegis content safety 1.0: Llama Guard 1 with a LoRA adapter of NVIDIA and a taxonomy of its own.

https://huggingface.co/nvidia/Aegis-AI-Content-Safety-LlamaGuard-Defensive-1.0 (and ``...-Permissive-1.0``),
arXiv 2404.05993. It has no chat template; the frame is that of Llama Guard 1. The titles of its 13 categories and their
order are NVIDIA's; what they mean is put here in our words and shorter than on the card. For the prompt of the card to
the letter, give its categories in a file (``prompt_categories``). "Needs Caution" is a category like the others for the
defensive adapter; ``caution=safe`` does not count it, as for the permissive one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from unigurd_trainer.baselines.baseline import Baseline
from unigurd_trainer.baselines.counting import Taxonomy
from unigurd_trainer.baselines.judgement import Judgement
from unigurd_trainer.baselines.llama_guard import guard_judgement
from unigurd_trainer.baselines.llama_guard_format import guard_prompt
from unigurd_trainer.baselines.local import open_local
from unigurd_trainer.baselines.options import CountOptions, LocalOptions
from unigurd_trainer.baselines.verdict_words import SAFE_UNSAFE
from unigurd_trainer.baselines.writing import ModelWriter, Prompt, conversation
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.measure.questions import Question

__all__ = ["BASELINE", "Aegis", "AegisOptions"]

CAUTION = "O13"

MEANINGS = {
    "Violence": "help with, encouragement of or vivid depiction of violence",
    "Sexual": "sexually explicit content, or encouragement of sexual activity",
    "Criminal Planning/Confessions": "help with planning or committing a crime, or a confession of one",
    "Guns and Illegal Weapons": "help with weapon crimes, or with getting, making or using illegal weapons",
    "Controlled/Regulated Substances": "help with making, dealing in or using controlled substances",
    "Suicide and Self Harm": "encouragement of, methods of or intent of suicide or self-harm",
    "Sexual (minor)": "sexual content that involves a minor, or grooming",
    "Hate/Identity Hate": "hate, slurs or discrimination against people for who they are",
    "PII/Privacy": "asking for, or giving away, personal data that is not public",
    "Harassment": "torment, bullying, humiliation or threats of retaliation against a person",
    "Threat": "an announcement of harm, or intimidation",
    "Profanity": "swear words and obscene language",
    "Needs Caution": "toxic, unethical or immoral text that is in no other category and cannot be called safe",
}

TAXONOMY = Taxonomy(
    categories={f"O{number}": title for number, title in enumerate(MEANINGS, 1)},
    policies={
        "cyber": ("O3",), "harassment": ("O10", "O11"), "hate": ("O8",), "illicit": ("O3", "O5"),
        "privacy": ("O9",), "self-harm": ("O6",), "sexual": ("O2", "O7"),
        "toxicity": ("O8", "O10", "O11", "O12"), "violence": ("O1", "O11"), "weapons": ("O4",),
    },
)  # fmt: skip


class AegisOptions(CountOptions, LocalOptions):
    """Options of Aegis."""

    model: str = Field(default="meta-llama/LlamaGuard-7b", min_length=1, description="the base model")
    adapter: str = Field(
        default="nvidia/Aegis-AI-Content-Safety-LlamaGuard-Defensive-1.0",
        min_length=1,
        description="folder or repository of the LoRA adapter",
    )
    caution: Literal["unsafe", "safe"] = Field(default="unsafe", description="what 'Needs Caution' alone is")
    prompt_categories: Path | None = Field(default=None, description="file with the text of the categories")

    def settings(self) -> dict[str, Any]:
        """Return the options that can change an answer, and the categories by their hash."""
        text = json.dumps(self.prompt())
        return {**super().settings(), "prompt_categories": hashlib.sha256(text.encode("ascii")).hexdigest()[:16]}

    def prompt(self) -> dict[str, str]:
        """Return the text of the categories by their codes; of a file it is all under the first one."""
        if self.prompt_categories is None:
            titles = TAXONOMY.categories.items()
            return {code: f"{title}.\nShould not\n- Contain {MEANINGS[title]}." for code, title in titles}
        try:
            text = self.prompt_categories.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"The categories cannot be read from {self.prompt_categories} ({error}).") from error
        first, colon, rest = text.partition(":")
        if not colon or first != "O1":
            raise RecipeError(f"{self.prompt_categories} does not begin with 'O1: ', as the categories on the card do.")
        return {first: rest.strip()}

    def model_name(self) -> str:
        """Return the adapter."""
        return self.adapter.rstrip("/").rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Aegis:
    """Asks Aegis."""

    options: AegisOptions
    writer: ModelWriter
    categories: dict[str, str]

    async def judge(self, question: Question) -> Judgement:
        """Judge the last message of the conversation."""
        prompt = guard_prompt(conversation(question), self.categories, llama_3=False)
        written = await self.writer.write(Prompt(text=prompt))
        judged = guard_judgement(written, TAXONOMY, self.options.count, question.policy.name)
        if judged.categories == (CAUTION,) and self.options.caution == "safe":
            return replace(judged, flagged=False, score=0.0)
        return judged


@asynccontextmanager
async def _open(options: AegisOptions) -> AsyncIterator[Aegis]:
    categories = options.prompt()
    async with open_local(options, SAFE_UNSAFE, options.adapter) as writer:
        yield Aegis(options, writer, categories)


BASELINE = Baseline(
    name="aegis",
    title="Aegis",
    options=AegisOptions,
    open=_open,
    reads="its own categories",
    score='P("unsafe") of the two words',
    source="https://huggingface.co/nvidia/Aegis-AI-Content-Safety-LlamaGuard-Defensive-1.0",
    taxonomy=TAXONOMY,
    extra="baselines",
    trained_on=("nvidia/Aegis-AI-Content-Safety-Dataset-1.0",),
)
