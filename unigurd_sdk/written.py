"""What a message says: the text of messages and of streamed chunks, whichever library they come from.

Objects are read by the names of their fields, so no library is imported. OpenAI chat messages, answers, chunks and the
events of its Responses API, LangChain messages and chunks, and the same as plain dicts are known. Everything that a
model wrote is text to be checked: its content, a refusal, its reasoning, and the arguments of its tool calls. What
cannot be read raises `ConfigError`, since a part that nobody read must not pass for safe.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from unigurd_sdk.errors import ConfigError

_SPOKEN = ("content", "refusal", "reasoning_content", "reasoning")
_PART_TEXTS = ("text", "refusal", "reasoning", "thinking", "partial_json", "arguments", "args", "content")
_SILENT_PARTS = frozenset({"signature_delta", "redacted_thinking", "tool_use", "tool_call", "tool_call_chunk"})


@dataclass(slots=True)
class Unread:
    """Collects the types of parts that are no text, instead of refusing them."""

    types: list[str] = field(default_factory=list)


def text_of(item: object, unread: Unread | None = None) -> str:
    """Return all that a message, an answer or a chunk of a stream says.

    Args:
        item: A str, or an object or mapping of a known library.
        unread: Takes the types of parts that are no text, such as images; without it they raise.

    Raises:
        ConfigError: It is nothing known, has a part without text, or holds several answers at once.
    """
    if isinstance(item, str):
        return item
    if isinstance(get(item, "type"), str) and get(item, "type").startswith("response."):
        delta = get(item, "delta")
        return delta if isinstance(delta, str) else ""
    if has(item, "choices"):
        return _choice(get(item, "choices"), unread)
    if any(has(item, name) for name in (*_SPOKEN, "tool_calls")):
        return "".join(_said(item, unread))
    raise ConfigError(
        f"There is no known text in an object of type {type(item).__name__}. "
        "Pass text= with a function that takes it and returns its text."
    )


def get(item: object, name: str) -> Any:  # noqa: ANN401
    """Return a field of a mapping or of an object; None if there is none."""
    return item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)


def has(item: object, name: str) -> bool:
    """Say whether a mapping or an object has a field."""
    return name in item if isinstance(item, Mapping) else hasattr(item, name)


def _choice(choices: Any, unread: Unread | None) -> str:  # noqa: ANN401
    """Read the one answer of a list of choices; a chunk with usage only has none."""
    if not choices:
        return ""
    if len(choices) > 1 or get(choices[0], "index"):
        raise ConfigError("There are several answers at once (n > 1), which cannot be told apart. Ask for one answer.")
    for name in ("delta", "message"):
        if (said := get(choices[0], name)) is not None:
            return "".join(_said(said, unread))
    text = get(choices[0], "text")
    return text if isinstance(text, str) else ""


def _said(message: object, unread: Unread | None) -> Iterator[str]:
    for name in _SPOKEN:
        yield from _content(get(message, name), unread)
    yield from _content(get(get(message, "audio"), "transcript"), unread)
    calls = get(message, "tool_call_chunks") or get(message, "tool_calls") or ()
    for call in (*calls, get(message, "function_call")):
        arguments = get(get(call, "function") or call, "arguments") or get(call, "args")
        if arguments:
            yield arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, default=str)


def _content(content: Any, unread: Unread | None) -> Iterator[str]:  # noqa: ANN401
    """Read a content: a str, or a list of parts."""
    if content is None:
        return
    if isinstance(content, str):
        yield content
    elif isinstance(content, list | tuple):
        for part in content:
            yield from _part(part, unread)
    else:
        raise ConfigError(f"The content of a message is a str or a list of parts, not {type(content).__name__}.")


def _part(part: object, unread: Unread | None) -> Iterator[str]:
    if isinstance(part, str):
        yield part
        return
    texts = [text for name in _PART_TEXTS if isinstance(text := get(part, name), str)]
    if isinstance(inner := get(part, "content"), list | tuple):
        texts += _content(inner, unread)
    kind = str(get(part, "type") or type(part).__name__)
    if texts or kind in _SILENT_PARTS:
        yield from texts
    elif unread is None:
        raise ConfigError(
            f"A part of type {kind!r} has no text that could be checked. "
            'Check it by other means, and leave it out or pass unreadable="skip" or text= here.'
        )
    else:
        unread.types.append(kind)
