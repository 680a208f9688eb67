"""A service that takes and answers JSON: errors that concern one row, the whole run, or only this try."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from unigurd_trainer.baselines.options import ServiceOptions
from unigurd_trainer.http.client import Again, Call, HttpClient, json_call
from unigurd_trainer.http.errors import EndpointError, RequestRejected
from unigurd_trainer.http.reply import Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Service", "Timed", "open_service"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timed(Generic[T]):
    """Something, and the milliseconds that the answer took."""

    value: T
    ms: float


@dataclass(frozen=True, slots=True)
class Service:
    """Asks a service.

    Attributes:
        http: The connection.
        keys: Environment variables with the key, for messages.
    """

    http: HttpClient
    keys: Sequence[str]

    async def ask(self, url: str, body: Mapping[str, Any], read: Callable[[Mapping[str, Any]], T | None]) -> Timed[T]:
        """Post JSON; see `send`."""
        return await self.send(lambda: json_call(url, body), read)

    async def send(self, make: Callable[[], Call], read: Callable[[Mapping[str, Any]], T | None]) -> Timed[T]:
        """Return what `read` makes of the answer; it returns None for what is not an answer, which is tried again.

        Raises:
            RequestRejected: The service does not take this request.
            NoAnswer: No try brought an answer.
            EndpointError: The service denies access or is not at this address.
        """

        async def outcome(reply: Reply) -> Timed[T] | Again:
            if reply.status != 200:
                raise self._error(reply)
            value = read(_object(reply.text))
            return Again(f"not an answer ({reply.reason})", 200) if value is None else Timed(value, 1e3 * reply.seconds)

        async with self.http.place:
            return await self.http.post(make, outcome)

    def _error(self, reply: Reply) -> EndpointError:
        status, reason, shown = reply.status, reply.reason, self.http.shown
        if status in (401, 403):
            variables = " and ".join(self.keys)
            message = f"{shown} denies access with status {status} ({reason}). Check the key in {variables}."
        elif status == 404:
            message = f"There is nothing at {shown} ({reason}). Check the endpoint and the names in the options."
        elif status == 429:
            message = f"The account at {shown} has no quota left ({reason}). Top it up; the same command goes on."
        else:
            return RequestRejected(reason, url=shown, status=status)
        return EndpointError(message, url=shown, status=status)


@asynccontextmanager
async def open_service(
    options: ServiceOptions, keys: Sequence[str], headers: Mapping[str, str], secrets: Sequence[str]
) -> AsyncIterator[Service]:
    """Open the connection to a service and close it in the end."""
    async with HttpClient(options, options.endpoint, headers, secrets) as http:
        yield Service(http, keys)


def _object(text: str) -> Mapping[str, Any]:
    """Read a JSON object; anything else becomes an empty one, which is nobody's answer."""
    try:
        data = json.loads(text)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
