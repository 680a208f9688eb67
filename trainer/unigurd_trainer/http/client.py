"""A client that does not give up early: bounded, patient, and clear when it must stop. It knows no protocol."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from unigurd_sdk.errors import MissingExtra
from unigurd_trainer.http.errors import NoAnswer
from unigurd_trainer.http.options import ConnectionOptions
from unigurd_trainer.http.reply import Reply, retry_after, without_secrets

if TYPE_CHECKING:
    import ssl

    import httpx
    from typing_extensions import Self

__all__ = ["Again", "Call", "HttpClient", "json_call"]

logger = logging.getLogger(__name__)

FIRST_CONTACT_RETRIES = 2
"""Retries of a connection before the server has ever answered: the address is more likely wrong than busy."""

BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """A request: what is posted where."""

    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Again:
    """A try that may be repeated: why it failed, the status, and how long the server asks to wait."""

    reason: str
    status: int = 0
    wait: float | None = None
    connected: bool = True


class HttpClient:
    """Posts to one server; use it as an async context manager.

    Args:
        options: How patient it is.
        url: The server, for messages.
        headers: Of every request.
        secrets: What must not be shown in messages, such as the key.

    Attributes:
        place: A place among the requests at the same time; hold one while you post (``async with client.place``).
        shown: The server, for messages, without secrets.
        retried: Tries that were repeated.
        answered: Whether it has ever answered.
    """

    def __init__(
        self,
        options: ConnectionOptions,
        url: str,
        headers: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
    ) -> None:
        self.shown = without_secrets(url)
        self.retried = 0
        self.answered = False
        self._options = options
        self._secrets = tuple(filter(None, secrets))
        self._http = _open(options, headers or {})
        self.place = asyncio.Semaphore(options.concurrency)
        self._open_at = 0.0
        self._rng = random.Random()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def post(self, make: Callable[[], Call], read: Callable[[Reply], Awaitable[T | Again]]) -> T:
        """Return what a request brings, after as many tries as it takes.

        Args:
            make: Makes the request, anew for every try: signatures grow old.
            read: Reads a reply that does not say "busy": the result, or `Again` for one that is worth another try.
                What it raises goes through.

        Raises:
            NoAnswer: Every try failed, or the server asks to wait too long.
        """
        failure = Again("no try was made")
        for attempt in range(self._options.retries + 1):
            await self._wait_until_open()
            outcome = await self._try(make(), read)
            if not isinstance(outcome, Again):
                self.answered = True
                return outcome
            failure = outcome
            if attempt >= self._last_try(failure):
                break
            self.retried += 1
            logger.info("%s: %s; trying again", self.shown, failure.reason)
            await asyncio.sleep(self._pause(attempt, failure))
        wait, answered = failure.wait, self.answered
        raise NoAnswer(failure.reason, url=self.shown, status=failure.status, wait=wait, answered=answered)

    async def get_json(self, url: str, timeout: float = 5) -> Any:  # noqa: ANN401 - whatever the server has
        """Return what the server has at an address; None if it cannot be had."""
        import httpx

        try:
            return (await self._http.get(url, timeout=timeout)).json()
        except (httpx.HTTPError, ValueError):
            return None

    async def _try(self, call: Call, read: Callable[[Reply], Awaitable[T | Again]]) -> T | Again:
        import httpx

        limit, started = self._options.timeout, time.perf_counter()
        try:
            sent = self._http.post(call.url, content=call.body, headers=dict(call.headers))
            response = await asyncio.wait_for(sent, limit)
        except (asyncio.TimeoutError, httpx.TimeoutException):
            return Again(f"no answer within {limit:g} s", connected=self.answered)
        except httpx.RequestError as error:
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            return Again(reason, connected=not isinstance(error, httpx.ConnectError))
        seconds = time.perf_counter() - started
        reply = Reply(response.status_code, dict(response.headers), response.text, seconds, self._secrets)
        if reply.status in BUSY and "insufficient_quota" not in reply.reason:
            return Again(f"status {reply.status} ({reply.reason})", reply.status, retry_after(reply.headers))
        return await read(reply)

    async def _wait_until_open(self) -> None:
        while (wait := self._open_at - time.monotonic()) > 0:
            await asyncio.sleep(wait)

    def _last_try(self, failure: Again) -> int:
        first_contact = not failure.connected and not self.answered
        retries = min(self._options.retries, FIRST_CONTACT_RETRIES) if first_contact else self._options.retries
        return 0 if (failure.wait or 0) > self._options.longest_wait else retries

    def _pause(self, attempt: int, failure: Again) -> float:
        """Return the seconds to sleep: exponential with full jitter, after what the server asks for."""
        jitter = self._rng.uniform(0, min(self._options.longest_wait, self._options.backoff * 2.0**attempt))
        if failure.wait is not None:  # holds for all requests, not only for the one that was told
            self._open_at = max(self._open_at, time.monotonic() + failure.wait)
        return (failure.wait or 0) + jitter


def json_call(url: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Call:
    """Return a request with a JSON body, in ASCII: texts may hold lone surrogates, which are not UTF-8."""
    raw = json.dumps(body, separators=(",", ":")).encode("ascii")
    return Call(url, raw, {"Content-Type": "application/json", **(headers or {})})


def _open(options: ConnectionOptions, headers: Mapping[str, str]) -> httpx.AsyncClient:
    import httpx

    if options.http2 and importlib.util.find_spec("h2") is None:
        raise MissingExtra("h2", extra="sdg", purpose="HTTP/2")
    return httpx.AsyncClient(
        verify=_certificates(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
        http2=options.http2,
        headers=dict(headers),
        timeout=httpx.Timeout(options.timeout, connect=options.connect_timeout, pool=None),
        limits=httpx.Limits(max_connections=options.concurrency, max_keepalive_connections=options.concurrency),
    )


@cache
def _certificates(file: str | None, folder: str | None) -> ssl.SSLContext:
    """Return the certificates that httpx trusts, those of the environment first; reading them outlasts a request."""
    import httpx

    return httpx.create_ssl_context()
