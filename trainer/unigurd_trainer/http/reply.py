"""What a server answered: status, headers and text, what it says of an error, and how long it asks to wait."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["Reply", "error_reason", "retry_after", "without_secrets"]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    Attributes:
        status: HTTP status.
        headers: By lower-case name.
        text: The body.
        seconds: From sending this try until the body was there.
        secrets: What must not be shown; some servers repeat keys.
    """

    status: int
    headers: Mapping[str, str]
    text: str
    seconds: float
    secrets: Sequence[str] = ()

    @property
    def reason(self) -> str:
        """What the body says of an error, see `error_reason`, without secrets."""
        said = error_reason(self.text)
        for secret in self.secrets:
            said = said.replace(secret, "***")
        return said


def error_reason(body: str) -> str:
    """Return what an error response says, on one line: ``code: message`` where it has both, at most 300 characters."""
    try:
        data = json.loads(body)
    except ValueError:
        data = {}
    error = data.get("error", data) if isinstance(data, dict) else {}
    parts = [error.get("code"), error.get("message", error.get("detail"))] if isinstance(error, dict) else [error]
    said = ": ".join(str(part) for part in parts if part) or re.sub(r"<[^>]*>", " ", body)
    return " ".join(said.split())[:300]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a response asks to wait, from a number or an HTTP date; None if it does not ask."""
    value = headers.get("retry-after", "").strip()
    if value.replace(".", "", 1).isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def without_secrets(url: str) -> str:
    """Return an address without user, password, query and fragment."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"
