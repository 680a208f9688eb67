"""Azure AI Content Safety, analysis of text.

``POST {endpoint}/contentsafety/text:analyze?api-version=...``, with the key in ``Ocp-Apim-Subscription-Key``, gives
each of four categories a severity:
https://learn.microsoft.com/en-us/rest/api/contentsafety/text-operations/analyze-text. With ``FourSeverityLevels`` it is
0, 2, 4 or 6, with ``EightSeverityLevels`` 0 to 7. A text may have 10,000 characters; a longer one is sent in
overlapping pieces, and the highest severity counts. The paper does not say from which severity a text is unsafe (its
appendix lost the snippet): here it is from 2, the lowest that is not "safe".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from unigurd_trainer.baselines.baseline import Baseline
from unigurd_trainer.baselines.counting import Taxonomy
from unigurd_trainer.baselines.judgement import Judgement
from unigurd_trainer.baselines.keys import MissingKey, key_from
from unigurd_trainer.baselines.options import CountOptions, ServiceOptions
from unigurd_trainer.baselines.pieces import pieces
from unigurd_trainer.baselines.service import Service, open_service
from unigurd_trainer.measure.questions import Question

__all__ = ["BASELINE", "KEYS", "AzureContentSafety", "AzureOptions", "open_azure"]

KEYS = ("AZURE_CONTENT_SAFETY_KEY", "CONTENT_SAFETY_KEY")

TAXONOMY = Taxonomy(
    categories={"Hate": "Hate and fairness", "Sexual": "Sexual", "SelfHarm": "Self-harm", "Violence": "Violence"},
    policies={
        "harassment": ("Hate", "Violence"),
        "hate": ("Hate",),
        "self-harm": ("SelfHarm",),
        "sexual": ("Sexual",),
        "toxicity": ("Hate",),
        "violence": ("Violence",),
        "weapons": ("Violence",),
    },
)

HIGHEST = {"FourSeverityLevels": 6, "EightSeverityLevels": 7}


class AzureOptions(ServiceOptions):
    """Where a Content Safety resource is: ``--endpoint https://NAME.cognitiveservices.azure.com``."""

    api_version: str = Field(default="2024-09-01", description="version of the API")
    max_chars: int = Field(default=10_000, ge=1_000, description="characters of a request; longer texts go in pieces")

    def version(self) -> str:
        """Return the version of the API."""
        return self.api_version

    def operation(self, name: str) -> str:
        """Return the address of an operation."""
        return self.address(f"/contentsafety/{name}?api-version={self.api_version}")


class AzureContentSafetyOptions(CountOptions, AzureOptions):
    """Options of the analysis of text."""

    severity: int = Field(default=2, ge=1, le=7, description="severity from which a category counts as found")
    output_type: Literal["FourSeverityLevels", "EightSeverityLevels"] = Field(
        default="FourSeverityLevels", description="scale of the severities"
    )

    def rule(self) -> str:
        """Return how it comes to its verdict, in words."""
        return f"severity of {self.severity} or more; {CountOptions.rule(self)}"


@dataclass(frozen=True, slots=True)
class AzureContentSafety:
    """Asks the service."""

    options: AzureContentSafetyOptions
    service: Service

    async def judge(self, question: Question) -> Judgement:
        """Judge the text; the score is the highest severity that counts, as a share of the scale."""
        severities, ms = dict.fromkeys(TAXONOMY.categories, 0), 0.0
        for piece in pieces(question.text, self.options.max_chars):
            found = await self.service.ask(self.options.operation("text:analyze"), self._body(piece), _severities)
            severities = {name: max(worst, found.value[name]) for name, worst in severities.items()}
            ms += found.ms
        names = tuple(name for name, severity in severities.items() if severity >= self.options.severity)
        counted = TAXONOMY.counted(question.policy.name, self.options.count)
        worst = max(severity for name, severity in severities.items() if counted is None or name in counted)
        return Judgement(
            flagged=TAXONOMY.found(names, question.policy.name, self.options.count),
            score=worst / HIGHEST[self.options.output_type],
            categories=names,
            label=", ".join(f"{name} {severity}" for name, severity in severities.items()),
            latency_ms=ms,
        )

    def _body(self, piece: str) -> dict[str, Any]:
        return {"text": piece, "categories": [*TAXONOMY.categories], "outputType": self.options.output_type}


def _severities(data: Mapping[str, Any]) -> dict[str, int] | None:
    """Read the severity of all four categories; None if one is missing."""
    try:
        found = {each["category"]: int(each["severity"]) for each in data["categoriesAnalysis"]}
        return {name: found[name] for name in TAXONOMY.categories}
    except (KeyError, TypeError, ValueError):
        return None


@asynccontextmanager
async def open_azure(options: AzureOptions) -> AsyncIterator[Service]:
    """Open the connection with the key of the resource; MissingKey without one."""
    key = key_from(KEYS)
    if not key:
        raise MissingKey("Azure AI Content Safety", KEYS)
    async with open_service(options, KEYS, {"Ocp-Apim-Subscription-Key": key}, [key]) as service:
        yield service


@asynccontextmanager
async def _open(options: AzureContentSafetyOptions) -> AsyncIterator[AzureContentSafety]:
    async with open_azure(options) as service:
        yield AzureContentSafety(options, service)


BASELINE = Baseline(
    name="azure-content-safety",
    title="Azure Content Safety",
    options=AzureContentSafetyOptions,
    open=_open,
    reads="its own categories",
    score="the highest severity, as a share of the scale",
    source="https://learn.microsoft.com/en-us/rest/api/contentsafety/text-operations/analyze-text",
    taxonomy=TAXONOMY,
    keys=KEYS,
)
