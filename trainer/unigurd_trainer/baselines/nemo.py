"""NeMo Guardrails, through the checks endpoint of its server: rails without the answer of the main model.

``nemoguardrails server`` (0.24) has ``POST /v1/checks`` with ``{"model", "messages", "guardrails": {"config_id",
"rail_types"}}``, which answers ``{"status": "passed", "modified" or "blocked", "content", "rail"}``
(``nemoguardrails/server/api.py``); NVIDIA's microservice has it at ``/v1/guardrail/checks`` and says "success" for
"passed": https://docs.nvidia.com/nemo/microservices/latest/guardrails/checks.html. Modified counts as unsafe: a rail
intervened. There is no score. As in the paper (appendix A.3), one configuration holds one policy; `nemo_config` writes
them, and ``config_id`` is the name of the row's policy unless another one is given.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from unigurd_trainer.baselines.baseline import Baseline
from unigurd_trainer.baselines.judgement import Judgement
from unigurd_trainer.baselines.keys import key_from
from unigurd_trainer.baselines.options import ServiceOptions
from unigurd_trainer.baselines.service import Service, open_service
from unigurd_trainer.baselines.writing import conversation
from unigurd_trainer.http.options import HttpUrl
from unigurd_trainer.measure.questions import Question

__all__ = ["BASELINE", "Nemo", "NemoOptions"]

KEYS = ("UNIGURD_API_KEY",)

STATUSES = {"passed": False, "success": False, "modified": True, "blocked": True}
"""Answer -> whether a rail intervened."""


class NemoOptions(ServiceOptions):
    """Options of a NeMo Guardrails server."""

    endpoint: HttpUrl = Field(default="http://localhost:8000", description="base URL of the server, without /v1")
    path: str = Field(default="/v1/checks", pattern="^/", description="/v1/guardrail/checks for the microservice")
    model: str = Field(default="gpt-4o", min_length=1, description="main model, which self-checks ask")
    config_id: str = Field(default="", description="configuration; empty is the one named like the row's policy")

    def model_name(self) -> str:
        """Return the main model."""
        return self.model


@dataclass(frozen=True, slots=True)
class Nemo:
    """Asks the server."""

    options: NemoOptions
    service: Service

    async def judge(self, question: Question) -> Judgement:
        """Judge a response by the output rails, anything else by the input rails."""
        rails = "output" if question.role == "assistant" else "input"
        config = self.options.config_id or question.policy.name
        body = {
            "model": self.options.model,
            "messages": conversation(question),
            "guardrails": {"config_id": config, "rail_types": [rails]},
        }
        found = await self.service.ask(self.options.address(self.options.path), body, _status)
        status, rail = found.value
        return Judgement(STATUSES[status], categories=(rail,) if rail else (), label=status, latency_ms=found.ms)


def _status(data: Mapping[str, Any]) -> tuple[str, str] | None:
    status, rail = data.get("status"), data.get("rail")
    return (str(status), str(rail or "")) if isinstance(status, str) and status in STATUSES else None


@asynccontextmanager
async def _open(options: NemoOptions) -> AsyncIterator[Nemo]:
    key = key_from(KEYS)
    async with open_service(options, KEYS, {"Authorization": f"Bearer {key}"} if key else {}, [key]) as service:
        yield Nemo(options, service)


BASELINE = Baseline(
    name="nemo-guardrails",
    title="NeMo Guardrails",
    options=NemoOptions,
    open=_open,
    reads="the policy, in a configuration of the server",
    score="",
    source="https://docs.nvidia.com/nemo/guardrails/latest/",
)
