"""The decorator `Guard.protect`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast

from unigurd_sdk.conversation.messages import CHECKED_ROLES, checked_roles
from unigurd_sdk.engine import OnError
from unigurd_sdk.errors import ConfigError
from unigurd_sdk.judge import Judge, Judging, Policies
from unigurd_sdk.protect.argument import Argument
from unigurd_sdk.protect.call import Protection
from unigurd_sdk.protect.reaction import OnViolation, Reaction
from unigurd_sdk.protect.wrappers import wrap
from unigurd_sdk.stream.method import pace_of
from unigurd_sdk.template import Role

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Protector:
    """A decorator that keeps the type of what it decorates; see `Guard.protect`."""

    before: Judge | None
    after: Judge | None
    argument: str | int | None
    on_violation: OnViolation
    fallback: object
    roles: Collection[str]
    text: Callable[[Any], str] | None
    hold_back: int | None
    max_delay: float | None

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Protect a function or method of any kind: plain, `async def`, a generator, an asynchronous generator.

        Raises:
            TypeError: It is no function.
            ConfigError: It has no such argument.
        """
        if isinstance(function, (type, classmethod, staticmethod, property)) or not callable(function):
            raise TypeError(
                f"protect takes a function, not {type(function).__name__}; "
                "write it below @classmethod, @staticmethod or @property."
            )
        reads = self.before is not None or self.argument is not None
        protection = Protection(
            Argument(function, self.argument) if reads else None,
            self.before,
            self.after,
            Reaction(self.on_violation, self.fallback, getattr(function, "__qualname__", repr(function))),
            self.roles,
            self.text,
            self.hold_back,
            self.max_delay,
        )
        return cast("Callable[P, R]", wrap(function, protection))


class Protections(Judging):
    """The part of a guard that protects functions."""

    def protect(
        self,
        *,
        policy: Policies | None = None,
        output_policy: Policies | None = None,
        argument: str | int | None = None,
        role: Role = "user",
        roles: Collection[str] = CHECKED_ROLES,
        on_violation: OnViolation = "raise",
        fallback: object = None,
        text: Callable[[Any], str] | None = None,
        threshold: float | None = None,
        timeout: float | None = None,
        on_error: OnError | None = None,
        hold_back: int | None = None,
        max_delay_ms: float | None = None,
    ) -> Protector:
        """Return a decorator that checks what goes into a function and what comes out of it.

        A function whose argument violates `policy` is not called. A result that violates `output_policy` does not
        leave. What a generator yields, or an iterator that a function returns, is checked as in `stream`. A generator
        is checked when its first value is asked for, as its own code would run then.

        Args:
            policy: What the argument is checked against, or a list; None: the argument is not checked.
            output_policy: What the result is checked against, or a list; None: the result is not checked.
            argument: The argument that is the prompt, by name or by position (0 is the first after `self`); by
                default the first one. It is a text, or a list of messages as `check_messages` takes it. For the
                result it is the prompt that is answered.
            role: Who wrote the argument, if it is a text.
            roles: Whose messages are checked, if it is a list of messages.
            on_violation: "raise" `PromptBlocked`; "return" the fallback; "log" a warning and go on; or a function,
                possibly asynchronous, that takes the verdict (or report) and gives what is returned. A generator
                yields that last, unless it is None.
            fallback: What is returned at a violation, for "return".
            text: Gives the text of a result, or of a chunk. By default strings, and answers and chunks of OpenAI and
                LangChain, are known; anything else raises `ConfigError`.
            threshold: Score from which a text is unsafe; by default the checkpoint's for each policy.
            timeout: Seconds that each check may take.
            on_error: What a failed check or one that took too long is: "raise", "block" or "allow"; by default what
                the guard says.
            hold_back: How many tokens of a stream of chunks are held at most; see `stream`.
            max_delay_ms: How long a chunk is held at most; see `stream`.

        Raises:
            ConfigError, PolicyError: The arguments are wrong; raised before anything is decorated.
        """
        if policy is None and output_policy is None:
            raise ConfigError("protect needs policy= for the argument, output_policy= for the result, or both.")
        Reaction(on_violation, fallback, "")
        options: dict[str, Any] = {"threshold": threshold, "timeout": timeout, "on_error": on_error}
        before = None if policy is None else self._judge(policy, role=role, **options)
        after = None if output_policy is None else self._judge(output_policy, role="assistant", **options)
        seconds = None if max_delay_ms is None else max_delay_ms / 1000
        if after is not None:
            pace_of(after, hold_back, seconds, None if before is None and argument is None else "")
        return Protector(
            before, after, argument, on_violation, fallback, checked_roles(roles), text, hold_back, seconds
        )
