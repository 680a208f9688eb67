"""Guardrails of Amazon Bedrock, through ApplyGuardrail.

``POST /guardrail/{id}/version/{version}/apply`` at ``bedrock-runtime.{region}.amazonaws.com`` with ``{"source": "INPUT"
or "OUTPUT", "content": [{"text": {"text"}}]}`` answers ``{"action": "NONE" or "GUARDRAIL_INTERVENED", "assessments"}``:
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ApplyGuardrail.html. The guardrail and its policies
are made in the console beforehand. Requests are signed (SigV4, service ``bedrock``) by botocore with the credentials of
the environment; `aws configure export-credentials --format env` puts those of a profile there. There is no score.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from pydantic import Field

from unigurd_sdk.errors import MissingExtra
from unigurd_trainer.baselines.baseline import Baseline
from unigurd_trainer.baselines.counting import Taxonomy
from unigurd_trainer.baselines.judgement import Judgement
from unigurd_trainer.baselines.keys import MissingKey
from unigurd_trainer.baselines.options import CountOptions, MaybeUrl, ServiceOptions
from unigurd_trainer.baselines.service import Service, open_service
from unigurd_trainer.http.client import Call, json_call
from unigurd_trainer.measure.questions import Question

if TYPE_CHECKING:
    from botocore.credentials import Credentials

__all__ = ["BASELINE", "Bedrock", "BedrockOptions"]

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")

TAXONOMY = Taxonomy(
    categories={
        "INSULTS": "Insults", "HATE": "Hate", "SEXUAL": "Sexual", "VIOLENCE": "Violence", "MISCONDUCT": "Misconduct",
        "PROMPT_ATTACK": "Prompt attack",
    },
    policies={
        "cyber": ("MISCONDUCT",),
        "harassment": ("INSULTS", "HATE"),
        "hate": ("HATE",),
        "illicit": ("MISCONDUCT",),
        "indirect-injection": ("PROMPT_ATTACK",),
        "prompt-injection": ("PROMPT_ATTACK",),
        "safety": ("INSULTS", "HATE", "SEXUAL", "VIOLENCE", "MISCONDUCT"),
        "sexual": ("SEXUAL",),
        "system-prompt-leak": ("PROMPT_ATTACK",),
        "toxicity": ("INSULTS", "HATE"),
        "violence": ("VIOLENCE",),
        "weapons": ("VIOLENCE", "MISCONDUCT"),
    },
)  # fmt: skip

FOUND_IN = (
    ("contentPolicy", "filters", "type"),
    ("topicPolicy", "topics", "name"),
    ("wordPolicy", "customWords", "match"),
    ("wordPolicy", "managedWordLists", "type"),
    ("sensitiveInformationPolicy", "piiEntities", "type"),
    ("sensitiveInformationPolicy", "regexes", "name"),
    ("contextualGroundingPolicy", "filters", "type"),
)
"""Where an assessment lists findings, and the field with the name of each."""


class BedrockOptions(CountOptions, ServiceOptions):
    """Options of a guardrail. A denied topic counts for the policy of the same name, too."""

    endpoint: MaybeUrl = Field(default="", description="base URL; empty is that of the region")
    region: str = Field(default="us-east-1", min_length=1, description="region of the guardrail")
    guardrail: str = Field(min_length=1, description="identifier or ARN of the guardrail")
    guardrail_version: str = Field(default="DRAFT", pattern=r"^([1-9][0-9]{0,7}|DRAFT)$", description="its version")

    def model_name(self) -> str:
        """Return the guardrail."""
        return self.guardrail

    def version(self) -> str:
        """Return the version of the guardrail."""
        return self.guardrail_version

    def resolved(self) -> BedrockOptions:
        """Return the options with the address of the region, if no other was given."""
        address = self.endpoint or f"https://bedrock-runtime.{self.region}.amazonaws.com"
        return self.model_copy(update={"endpoint": address})

    def apply_url(self) -> str:
        """Return the address of ApplyGuardrail."""
        path = f"/guardrail/{quote(self.guardrail, safe='')}/version/{self.guardrail_version}/apply"
        return self.address(path)


class _Outcome(NamedTuple):
    intervened: bool
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bedrock:
    """Asks a guardrail."""

    options: BedrockOptions
    service: Service
    credentials: Credentials

    async def judge(self, question: Question) -> Judgement:
        """Judge the text, a response as output and anything else as input."""
        source = "OUTPUT" if question.role == "assistant" else "INPUT"
        body = {"source": source, "content": [{"text": {"text": question.text}}]}
        found = await self.service.send(lambda: self._signed(json_call(self.options.apply_url(), body)), _outcome)
        outcome, policy = found.value, question.policy.name
        counts = TAXONOMY.found(outcome.categories, policy, self.options.count) or policy in outcome.categories
        flagged = counts or (outcome.intervened and not outcome.categories)
        label = "GUARDRAIL_INTERVENED" if outcome.intervened else "NONE"
        return Judgement(flagged=flagged, categories=outcome.categories, label=label, latency_ms=found.ms)

    def _signed(self, call: Call) -> Call:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest("POST", call.url, headers=dict(call.headers), data=call.body)
        SigV4Auth(self.credentials, "bedrock", self.options.region).add_auth(request)
        return Call(call.url, call.body, dict(request.headers.items()))


def _outcome(data: Mapping[str, Any]) -> _Outcome | None:
    action, assessments = data.get("action"), data.get("assessments", [])
    if action not in ("NONE", "GUARDRAIL_INTERVENED") or not isinstance(assessments, list):
        return None
    return _Outcome(action != "NONE", tuple(dict.fromkeys(name for each in assessments for name in _findings(each))))


def _findings(assessment: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of what was found: acted on, or detected by a filter that only watches."""
    for policy, kind, name in FOUND_IN:
        for each in (assessment.get(policy) or {}).get(kind) or ():
            if each.get("detected") or each.get("action") not in (None, "NONE"):
                yield str(each.get(name, kind))


def _credentials() -> Credentials:
    try:
        from botocore.credentials import EnvProvider
        from botocore.exceptions import PartialCredentialsError
    except ImportError as error:
        raise MissingExtra("botocore", extra="baselines", purpose="Signing requests to AWS") from error
    try:
        found: Credentials | None = EnvProvider().load()
    except PartialCredentialsError:
        found = None
    if found is None:
        raise MissingKey("Amazon Bedrock", [" and ".join(KEYS)])
    return found


@asynccontextmanager
async def _open(options: BedrockOptions) -> AsyncIterator[Bedrock]:
    credentials, resolved = _credentials(), options.resolved()
    secrets = [credentials.secret_key, credentials.token or "", credentials.access_key]
    async with open_service(resolved, KEYS, {}, secrets) as service:
        yield Bedrock(resolved, service, credentials)


BASELINE = Baseline(
    name="bedrock",
    title="Amazon Bedrock Guardrails",
    options=BedrockOptions,
    open=_open,
    reads="the policies of a guardrail that you made",
    score="",
    source="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ApplyGuardrail.html",
    taxonomy=TAXONOMY,
    keys=(" and ".join(KEYS),),
    extra="baselines",
)
