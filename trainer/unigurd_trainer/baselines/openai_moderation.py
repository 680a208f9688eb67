"""The moderation endpoint of OpenAI, and servers that speak it.

``POST /v1/moderations`` with ``{"model", "input"}`` answers ``{"results": [{"flagged", "categories",
"category_scores"}]}``: https://platform.openai.com/docs/api-reference/moderations/create. A response is judged alone,
without the prompt.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from unigurd_trainer.baselines.baseline import Baseline
from unigurd_trainer.baselines.counting import Taxonomy
from unigurd_trainer.baselines.judgement import Judgement
from unigurd_trainer.baselines.keys import MissingKey, key_from
from unigurd_trainer.baselines.options import CountOptions, ServiceOptions
from unigurd_trainer.baselines.remote import KEYS
from unigurd_trainer.baselines.service import Service, open_service
from unigurd_trainer.http.options import HttpUrl, is_openai
from unigurd_trainer.measure.questions import Question

__all__ = ["BASELINE", "OpenAiModeration", "OpenAiModerationOptions"]

TAXONOMY = Taxonomy(
    categories={
        "harassment": "Harassment", "harassment/threatening": "Threatening harassment", "hate": "Hate",
        "hate/threatening": "Threatening hate", "illicit": "Illicit", "illicit/violent": "Violent illicit acts",
        "self-harm": "Self-harm", "self-harm/intent": "Intent of self-harm",
        "self-harm/instructions": "Instructions for self-harm",
        "sexual": "Sexual", "sexual/minors": "Sexual, minors", "violence": "Violence",
        "violence/graphic": "Graphic violence",
    },
    policies={
        "cyber": ("illicit",),
        "harassment": ("harassment", "harassment/threatening"),
        "hate": ("hate", "hate/threatening"),
        "illicit": ("illicit", "illicit/violent"),
        "self-harm": ("self-harm", "self-harm/intent", "self-harm/instructions"),
        "sexual": ("sexual", "sexual/minors"),
        "toxicity": ("harassment", "harassment/threatening", "hate", "hate/threatening"),
        "violence": ("violence", "violence/graphic", "illicit/violent", "harassment/threatening", "hate/threatening"),
        "weapons": ("illicit", "illicit/violent"),
    },
)  # fmt: skip


class OpenAiModerationOptions(CountOptions, ServiceOptions):
    """Options of the moderation endpoint."""

    endpoint: HttpUrl = Field(default="https://api.openai.com/v1", description="base URL of the API")
    model: str = Field(default="omni-moderation-latest", description="moderation model; the paper's is older")

    def model_name(self) -> str:
        """Return the model."""
        return self.model

    def key(self) -> str:
        """Return the key, or an empty string for a server that needs none; MissingKey for OpenAI."""
        own = is_openai(self.endpoint)
        key = key_from(KEYS if own else KEYS[1:])
        if own and not key:
            raise MissingKey("The moderation endpoint of OpenAI", KEYS)
        return key


@dataclass(frozen=True, slots=True)
class OpenAiModeration:
    """Asks the endpoint."""

    options: OpenAiModerationOptions
    service: Service

    async def judge(self, question: Question) -> Judgement:
        """Judge the text; the score is the highest of the categories that count."""
        body = {"model": self.options.model, "input": question.text}
        found = await self.service.ask(self.options.address("/moderations"), body, _result)
        flags, scores, flagged = found.value
        counted = TAXONOMY.counted(question.policy.name, self.options.count)
        names = tuple(name for name, flag in flags.items() if flag)
        return Judgement(
            flagged=flagged if counted is None else any(flags.get(name) for name in counted),
            score=max((score for name, score in scores.items() if counted is None or name in counted), default=0.0),
            categories=names,
            latency_ms=found.ms,
        )


def _result(data: Mapping[str, Any]) -> tuple[dict[str, bool], dict[str, float], bool] | None:
    """Read the flags and scores of the categories, and the flag of the text."""
    try:
        result = data["results"][0]
        flags = {name: bool(flag) for name, flag in result["categories"].items()}
        scores = {name: float(score) for name, score in result["category_scores"].items() if score is not None}
        return None if any(map(math.isnan, scores.values())) else (flags, scores, bool(result["flagged"]))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return None


@asynccontextmanager
async def _open(options: OpenAiModerationOptions) -> AsyncIterator[OpenAiModeration]:
    key = options.key()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with open_service(options, KEYS, headers, [key]) as service:
        yield OpenAiModeration(options, service)


BASELINE = Baseline(
    name="openai-moderation",
    title="OpenAI moderation",
    options=OpenAiModerationOptions,
    open=_open,
    reads="its own categories",
    score="the highest of its categories",
    source="https://platform.openai.com/docs/api-reference/moderations/create",
    taxonomy=TAXONOMY,
    keys=KEYS,
)
