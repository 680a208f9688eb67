"""A client of the OpenAI chat protocol that does not give up early: bounded, patient, and clear when it must stop."""

from __future__ import annotations

import asyncio
import email.utils
import importlib.util
import logging
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from unigurd_sdk.errors import MissingExtra
from unigurd_trainer.errors import TrainerError
from unigurd_trainer.sdg.dialect import (
    Answer,
    Ask,
    Dialect,
    error_reason,
    is_content_filter,
    is_unknown_model,
    read_answer,
)
from unigurd_trainer.sdg.options import EndpointOptions

if TYPE_CHECKING:
    import ssl

    import httpx
    from typing_extensions import Self

__all__ = ["ChatClient", "EndpointError", "RequestRejected"]

logger = logging.getLogger(__name__)

FIRST_CONTACT_RETRIES = 2
"""Retries of a connection before the server has ever answered: the address is more likely wrong than busy."""

_BUSY = {408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529}


class EndpointError(TrainerError):
    """An endpoint cannot be used, or not any more.

    Attributes:
        url: The endpoint, without user, password or query.
        status: HTTP status, or 0 if there was no answer.
    """

    def __init__(self, message: str, *, url: str, status: int = 0) -> None:
        self.url = url
        self.status = status
        super().__init__(message)


class RequestRejected(EndpointError):
    """An endpoint turned down one request; others may still work.

    Attributes:
        reason: What the server said.
    """

    def __init__(self, reason: str, *, url: str, status: int) -> None:
        self.reason = reason
        super().__init__(
            f"{url} turned the request down with status {status} ({reason}). "
            "Check the address (it mostly ends in /v1) and the options of the model.",
            url=url,
            status=status,
        )


@dataclass(frozen=True, slots=True)
class _Failure:
    """A try that may be repeated: why it failed, the status, and how long the server asks to wait."""

    reason: str
    status: int = 0
    wait: float | None = None
    connected: bool = True


class ChatClient:
    """Asks an endpoint; use it as an async context manager.

    Args:
        options: Where the model is and how to call it.
    """

    def __init__(self, options: EndpointOptions) -> None:
        self.retried = 0
        self._options = options
        self._shown = _without_secrets(options.url)
        self._http = _open(options)
        self._slots = asyncio.Semaphore(options.concurrency)
        self._dialect = Dialect(structure=options.structured, extra=options.extra_body)
        self._answered = False
        self._open_at = 0.0
        self._rng = random.Random()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def complete(self, ask: Ask) -> Answer:
        """Return the answer to a request, after as many tries as it takes.

        Raises:
            RequestRejected: The server does not take this request in any form.
            EndpointError: The server cannot be reached, denies access, or does not know the model.
        """
        async with self._slots:
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
                    logger.info("%s does not take everything; it is asked with %s from now on", self._shown, dialect)
                    self._dialect = dialect
                return answer

    async def _send(self, body: Mapping[str, Any]) -> Answer:
        failure = _Failure("no try was made")
        for attempt in range(self._options.retries + 1):
            await self._wait_until_open()
            outcome = await self._try(body)
            if isinstance(outcome, Answer):
                self._answered = True
                return outcome
            failure = outcome
            if attempt >= self._last_try(failure):
                break
            self.retried += 1
            logger.info("%s: %s; trying again", self._shown, failure.reason)
            await asyncio.sleep(self._pause(attempt, failure))
        raise self._given_up(failure)

    async def _try(self, body: Mapping[str, Any]) -> Answer | _Failure:
        import httpx

        options = self._options
        try:
            response = await asyncio.wait_for(self._http.post(options.url, json=body), options.timeout)
        except (asyncio.TimeoutError, httpx.TimeoutException):
            return _Failure(f"no answer within {options.timeout:g} s", connected=self._answered)
        except httpx.RequestError as error:
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            return _Failure(reason, connected=not isinstance(error, httpx.ConnectError))
        return await self._read(response, body)

    async def _read(self, response: httpx.Response, body: Mapping[str, Any]) -> Answer | _Failure:
        status = response.status_code
        if status == 200:
            return _answer(response, body)
        reason = self._redacted(error_reason(response.text))
        if status in _BUSY and "insufficient_quota" not in reason:
            return _Failure(f"status {status} ({reason})", status, _retry_after(response.headers))
        if status in (401, 403, 429) or is_unknown_model(status, reason):
            raise EndpointError(await self._denial(status, reason, body), url=self._shown, status=status)
        if is_content_filter(reason):
            return Answer("", finish="content_filter", refused=True, estimated=True)
        raise RequestRejected(reason, url=self._shown, status=status)

    async def _denial(self, status: int, reason: str, body: Mapping[str, Any]) -> str:
        if status == 429:
            return f"The account at {self._shown} has no quota left ({reason}). Top it up; the same command goes on."
        if status in (401, 403):
            sent = "the API key was not accepted" if self._options.key() else "no API key was given"
            where = f"Set the environment variable {self._options.api_key_env}"
            return f"{self._shown} denies access with status {status}: {sent} ({reason}). {where}."
        known = await self._models()
        listed = f"It offers: {', '.join(known[:20])}." if known else "Ask the server for its list of models."
        return f"{self._shown} has no model {body['model']!r} ({reason}). {listed}"

    async def _models(self) -> list[str]:
        import httpx

        try:
            data = (await self._http.get(self._options.models_url, timeout=5)).json()
            return sorted(str(each["id"]) for each in data["data"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return []

    def _redacted(self, text: str) -> str:
        """Take the API key out of what a server said; some repeat it."""
        key = self._options.key()
        return text.replace(key, "***") if key else text

    async def _wait_until_open(self) -> None:
        while (wait := self._open_at - time.monotonic()) > 0:
            await asyncio.sleep(wait)

    def _last_try(self, failure: _Failure) -> int:
        first_contact = not failure.connected and not self._answered
        retries = min(self._options.retries, FIRST_CONTACT_RETRIES) if first_contact else self._options.retries
        return 0 if (failure.wait or 0) > self._options.longest_wait else retries

    def _pause(self, attempt: int, failure: _Failure) -> float:
        """Return the seconds to sleep: exponential with full jitter, after what the server asks for."""
        jitter = self._rng.uniform(0, min(self._options.longest_wait, self._options.backoff * 2.0**attempt))
        if failure.wait is not None:  # holds for all requests, not only for the one that was told
            self._open_at = max(self._open_at, time.monotonic() + failure.wait)
        return (failure.wait or 0) + jitter

    def _given_up(self, failure: _Failure) -> EndpointError:
        asks = f"It asks to wait {failure.wait:.0f} s. " if failure.wait is not None else ""
        return EndpointError(
            f"{self._shown} gives no answer: {failure.reason}. {asks}Check that the server runs and that the address "
            "is right. What has been paid for is in the journal: the same command goes on from there.",
            url=self._shown,
            status=failure.status,
        )


def _open(options: EndpointOptions) -> httpx.AsyncClient:
    import httpx

    if options.http2 and importlib.util.find_spec("h2") is None:
        raise MissingExtra("h2", extra="sdg", purpose="HTTP/2")
    key = options.key()
    return httpx.AsyncClient(
        verify=_certificates(),
        http2=options.http2,
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=httpx.Timeout(options.timeout, connect=options.connect_timeout, pool=None),
        limits=httpx.Limits(max_connections=options.concurrency, max_keepalive_connections=options.concurrency),
    )


@cache
def _certificates() -> ssl.SSLContext:
    """Return the certificates that httpx trusts; reading them takes longer than a request."""
    import httpx

    return httpx.create_ssl_context()


def _answer(response: httpx.Response, body: Mapping[str, Any]) -> Answer | _Failure:
    """Read a response with status 200; some servers and proxies send errors with it."""
    try:
        data = response.json()
    except ValueError:
        return _Failure("the answer is not JSON", 200)
    asked = Ask(body["messages"], "", {}, body["model"])
    return read_answer(data, asked) or _Failure(f"not an answer ({error_reason(response.text)})", 200)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a response asks to wait, from a number or an HTTP date; None if it does not ask."""
    value = headers.get("retry-after", "").strip()
    if value.replace(".", "", 1).isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"
