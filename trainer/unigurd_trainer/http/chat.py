"""A client of the OpenAI chat protocol: it learns what a server takes, and says what is wrong with a key or a model."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from unigurd_trainer.http.client import Again, HttpClient, json_call
from unigurd_trainer.http.dialect import Answer, Ask, Dialect, is_content_filter, is_unknown_model, read_answer
from unigurd_trainer.http.errors import EndpointError, RequestRejected
from unigurd_trainer.http.options import EndpointOptions
from unigurd_trainer.http.reply import Reply

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ChatClient"]

logger = logging.getLogger(__name__)


class ChatClient:
    """Asks an endpoint; use it as an async context manager.

    Args:
        options: Where the model is and how to call it.
    """

    def __init__(self, options: EndpointOptions) -> None:
        key = options.key()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._options = options
        self._http = HttpClient(options, options.url, headers, [key])
        self._dialect = Dialect(structure=options.structured, extra=options.extra_body)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    @property
    def retried(self) -> int:
        """How many tries were repeated."""
        return self._http.retried

    async def complete(self, ask: Ask) -> Answer:
        """Return the answer to a request, after as many tries as it takes.

        Raises:
            RequestRejected: The server does not take this request in any form.
            NoAnswer: The server cannot be reached or stays busy.
            EndpointError: The server denies access, or does not know the model.
        """
        async with self._http.place:  # also while it learns what the server takes: others then know
            dialect = known = self._dialect
            while True:
                try:
                    answer = await self._send(dialect.body(ask))
                except RequestRejected as error:
                    simpler = dialect.simpler(error.status, error.reason)
                    if simpler is None:
                        raise
                    dialect = simpler
                    continue
                if dialect is not known:
                    said = "%s does not take everything; it is asked with %s from now on"
                    logger.info(said, self._http.shown, dialect)
                    self._dialect = dialect
                return answer

    async def _send(self, body: Mapping[str, Any]) -> Answer:
        async def read(reply: Reply) -> Answer | Again:
            return _answer(reply, body) if reply.status == 200 else await self._refused(reply, body)

        return await self._http.post(lambda: json_call(self._options.url, body), read)

    async def _refused(self, reply: Reply, body: Mapping[str, Any]) -> Answer:
        status, reason, shown = reply.status, reply.reason, self._http.shown
        if status in (401, 403, 429) or is_unknown_model(status, reason):
            raise EndpointError(await self._denial(status, reason, body), url=shown, status=status)
        if is_content_filter(reason):
            return Answer("", finish="content_filter", estimated=True, refused=True, seconds=reply.seconds)
        raise RequestRejected(reason, url=shown, status=status)

    async def _denial(self, status: int, reason: str, body: Mapping[str, Any]) -> str:
        shown = self._http.shown
        if status == 429:
            return f"The account at {shown} has no quota left ({reason}). Top it up; the same command goes on."
        if status in (401, 403):
            sent = "the API key was not accepted" if self._options.key() else "no API key was given"
            where = f"Set the environment variable {self._options.api_key_env}"
            return f"{shown} denies access with status {status}: {sent} ({reason}). {where}."
        known = await self._models()
        listed = f"It offers: {', '.join(known[:20])}." if known else "Ask the server for its list of models."
        return f"{shown} has no model {body['model']!r} ({reason}). {listed}"

    async def _models(self) -> list[str]:
        try:
            data = await self._http.get_json(self._options.models_url)
            return sorted(str(each["id"]) for each in data["data"])
        except (KeyError, TypeError):
            return []


def _answer(reply: Reply, body: Mapping[str, Any]) -> Answer | Again:
    """Read a response with status 200; some servers and proxies send errors with it."""
    try:
        data = json.loads(reply.text)
    except ValueError:
        return Again("the answer is not JSON", 200)
    answer = read_answer(data, Ask(body["messages"], "", {}, body["model"]))
    return replace(answer, seconds=reply.seconds) if answer else Again(f"not an answer ({reply.reason})", 200)
