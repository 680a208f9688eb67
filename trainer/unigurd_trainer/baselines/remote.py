"""A model that writes, at an endpoint of the chat protocol that applies its template itself (vLLM, Ollama, TGI)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from unigurd_trainer.baselines.keys import MissingKey
from unigurd_trainer.baselines.verdict_words import VerdictWords
from unigurd_trainer.baselines.writing import Prompt, Written
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.http.chat import ChatClient
from unigurd_trainer.http.dialect import Ask
from unigurd_trainer.http.options import ConnectionOptions, EndpointOptions, is_openai

__all__ = ["ALTERNATIVES", "KEYS", "RemoteWriter", "chat_endpoint", "open_remote"]

KEYS = ("OPENAI_API_KEY", "UNIGURD_API_KEY")
"""Keys of chat endpoints; the first goes to api.openai.com only."""

ALTERNATIVES = 20
"""Likeliest tokens that are asked for; OpenAI and vLLM report no more."""


@dataclass(frozen=True, slots=True)
class RemoteWriter:
    """Answers prompts with a model at an endpoint."""

    client: ChatClient
    model: str
    words: VerdictWords

    async def write(self, prompt: Prompt) -> Written:
        """Return the likeliest answer.

        Raises:
            RecipeError: The prompt needs more than the template's default, or the server gives no probabilities.
        """
        if prompt.text or prompt.template:  # whether a server heeds these cannot be seen
            raise RecipeError("These options need a prompt that only a model here can be given; leave --endpoint out.")
        ask = Ask(prompt.messages, "", {}, self.model, None, 0.0, prompt.max_new_tokens, ALTERNATIVES)
        answer = await self.client.complete(ask)
        ms = 1e3 * answer.seconds
        if answer.refused:
            return Written(answer.text, None, ms, "refused" if answer.text else "filtered by the provider")
        if not answer.top:
            raise RecipeError("The endpoint gives no log-probabilities, which scores are made of. Run the model here.")
        return Written(answer.text, self.words.probability(answer.top), ms)


def chat_endpoint(
    options: ConnectionOptions, endpoint: str, model: str, extra_body: Mapping[str, Any] | None = None
) -> EndpointOptions:
    """Return how to call a model that answers in words; MissingKey for OpenAI without a key."""
    connection = {name: getattr(options, name) for name in ConnectionOptions.model_fields}
    made = EndpointOptions(
        endpoint=endpoint, model=model, structured="none", extra_body=dict(extra_body or {}), **connection
    )
    if is_openai(endpoint) and not made.key():
        raise MissingKey("OpenAI", KEYS)
    return made


@asynccontextmanager
async def open_remote(options: EndpointOptions, words: VerdictWords) -> AsyncIterator[RemoteWriter]:
    """Open the connection to an endpoint."""
    async with ChatClient(options) as client:
        yield RemoteWriter(client, options.model, words)
