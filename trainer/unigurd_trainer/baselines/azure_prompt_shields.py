"""Azure AI Content Safety, Prompt Shields: attacks in a prompt, or hidden in a document.

``POST {endpoint}/contentsafety/text:shieldPrompt?api-version=...`` with ``{"userPrompt", "documents"}`` answers whether
an attack was detected in the prompt and in each document, without a score:
https://learn.microsoft.com/en-us/azure/ai-services/content-safety/quickstart-jailbreak. Documents are judged as
documents, prompts and responses as prompts. Prompt and documents may have 10,000 characters together; longer texts go
in pieces.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from unigurd_trainer.baselines.azure_content_safety import KEYS, AzureOptions, open_azure
from unigurd_trainer.baselines.baseline import Baseline
from unigurd_trainer.baselines.judgement import Judgement
from unigurd_trainer.baselines.pieces import pieces
from unigurd_trainer.baselines.service import Service
from unigurd_trainer.measure.questions import Question

__all__ = ["BASELINE", "AzurePromptShields"]


@dataclass(frozen=True, slots=True)
class AzurePromptShields:
    """Asks the service."""

    options: AzureOptions
    service: Service

    async def judge(self, question: Question) -> Judgement:
        """Judge the text; an attack in any piece counts."""
        is_document, attacked, ms = question.role == "document", False, 0.0
        for piece in pieces(question.text, self.options.max_chars):
            body = {"userPrompt": "", "documents": [piece]} if is_document else {"userPrompt": piece, "documents": []}
            read = _document_attack if is_document else _prompt_attack
            found = await self.service.ask(self.options.operation("text:shieldPrompt"), body, read)
            attacked, ms = attacked or found.value, ms + found.ms
        label = f"{'document' if is_document else 'prompt'} attack" if attacked else "no attack"
        return Judgement(flagged=attacked, label=label, latency_ms=ms)


def _prompt_attack(data: Mapping[str, Any]) -> bool | None:
    return _detected(data.get("userPromptAnalysis"))


def _document_attack(data: Mapping[str, Any]) -> bool | None:
    found = data.get("documentsAnalysis")
    return _detected(found[0]) if isinstance(found, list) and len(found) == 1 else None


def _detected(analysis: object) -> bool | None:
    detected = analysis.get("attackDetected") if isinstance(analysis, dict) else None
    return detected if isinstance(detected, bool) else None


@asynccontextmanager
async def _open(options: AzureOptions) -> AsyncIterator[AzurePromptShields]:
    async with open_azure(options) as service:
        yield AzurePromptShields(options, service)


BASELINE = Baseline(
    name="azure-prompt-shields",
    title="Azure Prompt Shields",
    options=AzureOptions,
    open=_open,
    reads="attacks on an assistant",
    score="",
    source="https://learn.microsoft.com/en-us/azure/ai-services/content-safety/quickstart-jailbreak",
    keys=KEYS,
)
