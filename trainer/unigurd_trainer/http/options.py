"""What the client is told: how patient it is with any server, and where a model with the chat protocol is."""

from __future__ import annotations

import os
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from unigurd_trainer.http.dialect import Answer, Structure

__all__ = ["ConnectionOptions", "EndpointOptions", "HttpUrl", "is_openai"]

HttpUrl = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^https?://[^/]")]


class ConnectionOptions(BaseModel):
    """How a server is called."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    concurrency: int = Field(default=8, ge=1, le=1024, description="requests at the same time")
    timeout: float = Field(default=180, gt=0, description="seconds until a request counts as lost")
    connect_timeout: float = Field(default=10, gt=0, description="seconds to connect")
    retries: int = Field(default=6, ge=0, description="further tries of a request that failed")
    backoff: float = Field(
        default=0.5, ge=0, description="seconds; doubles with each try, and is drawn from 0 up to it"
    )
    longest_wait: float = Field(default=90, gt=0, description="seconds; a longer Retry-After ends the run")
    http2: bool = Field(default=False, description="offer HTTP/2 (needs the package h2)")


class EndpointOptions(ConnectionOptions):
    """Where the model is and how to call it."""

    endpoint: HttpUrl = Field(description="Base URL of the API, such as http://localhost:11434/v1")
    model: str = Field(min_length=1, description="name of the model at the endpoint")
    api_key: SecretStr | None = Field(default=None, description="key; better leave it in the environment")
    api_key_env: str = Field(
        default="UNIGURD_API_KEY",
        description="environment variable with the key; for api.openai.com OPENAI_API_KEY is read as well",
    )
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
        if is_openai(self.endpoint):
            names.append("OPENAI_API_KEY")
        return next((value for name in names if (value := os.environ.get(name, "").strip())), "")

    def cost(self, answer: Answer) -> float:
        """Return the price of an answer."""
        return (answer.prompt_tokens * self.price_input + answer.completion_tokens * self.price_output) / 1e6

    def _address(self, path: str) -> str:
        base = urlsplit(self.endpoint)
        return base._replace(path=base.path.rstrip("/").removesuffix("/chat/completions") + path).geturl()


def is_openai(url: str) -> bool:
    """Say whether an address is OpenAI's own."""
    return urlsplit(url).hostname == "api.openai.com"
