"""Messages as applications have them, read into what can be checked: a role, a text, a place."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from unigurd_sdk.errors import ConfigError
from unigurd_sdk.template import Role
from unigurd_sdk.written import Unread, get, text_of

MessageRole = Literal["system", "user", "assistant", "tool"]
"""Who wrote a message."""

Unreadable = Literal["raise", "skip"]
"""What to do with parts that are no text, such as images: refuse the call, or leave them out and say so."""

CHECKED_ROLES: tuple[MessageRole, ...] = ("user", "tool")
"""The roles that are checked by default: what comes from outside."""

_ROLES: Mapping[str, MessageRole] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "tool": "tool",
    "function": "tool",
    "document": "tool",
}
_TEXT_ROLES: Mapping[MessageRole, Role] = {
    "system": "user",
    "user": "user",
    "assistant": "assistant",
    "tool": "document",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        index: Its place in the conversation, counted from 0.
        role: Who wrote it.
        text: All that it says.
        skipped: The types of its parts that are no text and were left out.
    """

    index: int
    role: MessageRole
    text: str
    skipped: tuple[str, ...] = ()

    @property
    def text_role(self) -> Role:
        """The role of its text for the model: what a tool returns is a document."""
        return _TEXT_ROLES[self.role]


def checked_roles(roles: Collection[str]) -> frozenset[MessageRole]:
    """Return the roles to check, by any of their names; none, or an unknown one, raises `ConfigError`."""
    if isinstance(roles, str) or not roles:
        raise ConfigError('roles= takes a list of roles, such as ["user", "tool"].')
    return frozenset(_role(name, "roles= has") for name in roles)


def roles_of(messages: Sequence[object]) -> list[MessageRole]:
    """Return the role of each message.

    Raises:
        TypeError: It is no sequence of messages.
        ConfigError: There is no message, or one has no role, or an unknown one.
    """
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Sequence):
        raise TypeError(f"messages must be a list of messages, not {type(messages).__name__}.")
    if not messages:
        raise ConfigError("There are no messages; nothing checked is not safe.")
    return [
        _role(get(message, "role") or get(message, "type"), f"Message {i} has") for i, message in enumerate(messages)
    ]


def read(messages: Sequence[object], roles: Sequence[MessageRole], index: int, unreadable: Unreadable) -> Message:
    """Read one message; a part that is no text raises `ConfigError`, or is skipped if `unreadable` says so."""
    if unreadable not in get_args(Unreadable):
        raise ConfigError(f'unreadable must be "raise" or "skip", not {unreadable!r}.')
    unread = Unread() if unreadable == "skip" else None
    try:
        text = text_of(messages[index], unread)
    except ConfigError as error:
        raise ConfigError(f"Message {index} cannot be read. {error}") from error
    return Message(index, roles[index], text, tuple(unread.types) if unread else ())


def last_of_user(messages: Sequence[object]) -> str | None:
    """Return the text of the last message of a user; None if there is none."""
    roles = roles_of(messages)
    asked = [index for index, role in enumerate(roles) if role == "user"]
    return read(messages, roles, asked[-1], "skip").text if asked else None


def first_new(roles: Sequence[MessageRole]) -> int:
    """Return the index of the first new message: after the last answer that something follows.

    Answers at the end are new, and so is what they answer.
    """
    end = len(roles)
    while end and roles[end - 1] == "assistant":
        end -= 1
    return max((index + 1 for index in range(end) if roles[index] == "assistant"), default=0)


def _role(name: object, where: str) -> MessageRole:
    role = _ROLES.get(name) if isinstance(name, str) else None
    if role is None:
        raise ConfigError(f"{where} the role {name!r}; known are {', '.join(_ROLES)}.")
    return role
