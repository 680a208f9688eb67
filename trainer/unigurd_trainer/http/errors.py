"""Errors of servers that are called.

::

    TrainerError
    └── EndpointError                 .url .status
        ├── RequestRejected           .reason
        └── NoAnswer                  .reason .wait .answered
"""

from __future__ import annotations

from unigurd_trainer.errors import TrainerError

__all__ = ["EndpointError", "NoAnswer", "RequestRejected"]


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


class NoAnswer(EndpointError):
    """Every try of one request failed in a way that may pass.

    Attributes:
        reason: How the last one failed.
        wait: Seconds that the server asks to wait; None if it does not ask.
        answered: Whether the endpoint has answered anything before.
    """

    def __init__(self, reason: str, *, url: str, status: int, wait: float | None = None, answered: bool) -> None:
        self.reason = reason
        self.wait = wait
        self.answered = answered
        asks = f"It asks to wait {wait:.0f} s. " if wait is not None else ""
        super().__init__(
            f"{url} gives no answer: {reason}. {asks}Check that the server runs and that the address is right. "
            "What has been paid for is kept: the same command goes on from there.",
            url=url,
            status=status,
        )
