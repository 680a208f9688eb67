"""The options of the generator ``llm``: where the model is, how it is called, and what it is asked for."""

from __future__ import annotations

import os
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from unigurd_trainer.sdg.controls import DIFFICULTIES, Axes, Difficulty
from unigurd_trainer.sdg.dialect import Answer, Structure
from unigurd_trainer.sdg.parsing import MAX_CHARS

__all__ = ["EndpointOptions", "LlmOptions"]


class EndpointOptions(BaseModel):
    """Where the model is and how to call it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^https?://[^/]")] = Field(
        description="Base URL of the API, such as http://localhost:11434/v1"
    )
    model: str = Field(min_length=1, description="name of the model at the endpoint")
    api_key: SecretStr | None = Field(default=None, description="key; better leave it in the environment")
    api_key_env: str = Field(
        default="UNIGURD_API_KEY",
        description="environment variable with the key; for api.openai.com OPENAI_API_KEY is read as well",
    )
    concurrency: int = Field(default=8, ge=1, le=1024, description="requests at the same time")
    timeout: float = Field(default=180, gt=0, description="seconds until a request counts as lost")
    connect_timeout: float = Field(default=10, gt=0, description="seconds to connect")
    retries: int = Field(default=6, ge=0, description="further tries of a request that failed")
    backoff: float = Field(
        default=0.5, ge=0, description="seconds; doubles with each try, and is drawn from 0 up to it"
    )
    longest_wait: float = Field(default=90, gt=0, description="seconds; a longer Retry-After ends the run")
    http2: bool = Field(default=False, description="offer HTTP/2 (needs the package h2)")
    structured: Structure = Field(default="json_schema", description="strongest structured output to ask for")
    max_tokens: int | None = Field(default=None, ge=1, description="limit of an answer; None leaves it to the server")
    price_input: float = Field(default=0.0, ge=0, description="price of a million prompt tokens")
    price_output: float = Field(default=0.0, ge=0, description="price of a million completion tokens")
    extra_body: dict[str, Any] = Field(default_factory=dict, description="further fields of every request")

    @property
    def url(self) -> str:
        """Address of the chat completions."""
        return self._address("/chat/completions")

    @property
    def models_url(self) -> str:
        """Address of the list of models."""
        return self._address("/models")

    def key(self) -> str:
        """Return the API key, or an empty string; OPENAI_API_KEY goes to OpenAI only."""
        if self.api_key is not None:
            return self.api_key.get_secret_value()
        names = [self.api_key_env]
        if urlsplit(self.endpoint).hostname == "api.openai.com":
            names.append("OPENAI_API_KEY")
        return next((value for name in names if (value := os.environ.get(name, "").strip())), "")

    def cost(self, answer: Answer) -> float:
        """Return the price of an answer."""
        return (answer.prompt_tokens * self.price_input + answer.completion_tokens * self.price_output) / 1e6

    def _address(self, path: str) -> str:
        base = urlsplit(self.endpoint)
        return base._replace(path=base.path.rstrip("/").removesuffix("/chat/completions") + path).geturl()


class LlmOptions(EndpointOptions):
    """How texts are written and reflected on, and the model that does it."""

    per_request: int = Field(default=8, ge=1, le=64, description="texts asked for in one request")
    temperature: float | None = Field(default=1.0, ge=0, description="of writing; None leaves it to the server")
    languages: tuple[str, ...] = Field(default=("en",), min_length=1, description="ISO 639-1 codes, dealt in turn")
    difficulties: tuple[Difficulty, ...] = Field(
        default=DIFFICULTIES, min_length=1, description="difficulties, dealt in turn"
    )
    examples: int = Field(default=3, ge=0, description="examples of the policy shown in a request")
    extra_rounds: int = Field(default=3, ge=0, description="rounds of asking again for texts that are missing")
    max_chars: int = Field(default=MAX_CHARS, ge=1, description="longer texts are turned down")
    reflection_rounds: int = Field(default=3, ge=0, description="rounds of self-reflection at most; 0 is none")
    reflection_stop: float = Field(default=0.02, ge=0, le=1, description="disagreement below which reflection ends")
    judge_model: str = Field(default="", description="model that judges; empty is the one that writes")
    judge_per_request: int = Field(default=8, ge=1, le=64, description="texts judged in one request")
    self_consistency: int = Field(default=1, ge=1, le=15, description="verdicts per text, of which the majority counts")
    refine: bool = Field(default=True, description="let the model clarify the policy from disagreements")

    def axes(self) -> Axes:
        """Return what the plan varies."""
        return Axes(difficulties=self.difficulties, languages=self.languages)

    def identity(self) -> dict[str, str]:
        """Return what makes the written texts: a journal with other values is another run's."""
        names = ("model", "per_request", "temperature", "languages", "difficulties", "examples", "max_tokens")
        return {name: str(getattr(self, name)) for name in names}
