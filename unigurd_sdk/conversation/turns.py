"""The texts of a conversation that are judged: each message alone, and with what its author said before.

An attack may be split over two messages, each of which is harmless. So the end of the messages before, of the same
role, is judged together with the beginning of each message: half a window of the model each, hence one window more
for each message, however long the conversation is. Such a text counts only if what stands before the message is safe
by itself: what was found in an earlier turn is not found again in every turn after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unigurd_sdk.conversation.messages import Message
from unigurd_sdk.conversation.report import Part
from unigurd_sdk.judge import TOKEN_CHARS, Judge

_JOINT = "\n"


@dataclass(frozen=True, slots=True)
class Turn:
    """A text to judge: the message that it is about, its parts, and the prompt that it answers.

    `before` is the length of the part of the text that stands before the message: 0 for a message alone.
    """

    message: Message
    text: str
    parts: tuple[Part, ...]
    prompt: str | None = None
    before: int = 0


def alone(message: Message, prompt: str | None = None) -> Turn:
    """Judge a message by itself."""
    return Turn(message, message.text, (Part(message.index, 0, len(message.text)),), prompt)


def together(judge: Judge, message: Message, before: Sequence[Message], prompt: str | None = None) -> Turn | None:
    """Judge a message with those before it, the last of which counts first; None if they say nothing."""
    half = judge.engine.checkpoint.manifest.max_length // 2 - _MARKERS
    pieces = list(_ends(judge, before, half))[::-1]
    head = message.text[: _end_of(judge, message.text, half)]
    if not pieces or not head.strip():
        return None
    texts, parts, at = [], [], 0
    for index, offset, text in [*pieces, (message.index, 0, head)]:
        texts.append(text)
        parts.append(Part(index, at, at + len(text), offset))
        at += len(text) + len(_JOINT)
    joined = _JOINT.join(texts)
    return Turn(message, joined, tuple(parts), prompt, before=len(joined) - len(head))


_MARKERS = 4  # tokens of the role and of the ends, by half a window


def _ends(judge: Judge, before: Sequence[Message], room: int) -> Iterator[tuple[int, int, str]]:
    """Give the end of what was said before, `room` tokens of it, last message first: (message, offset, text)."""
    for message in reversed(before):
        end = message.text[-room * TOKEN_CHARS :]
        offsets = judge.offsets(end)
        kept = end[offsets[-room][0] :] if len(offsets) > room else end
        if kept.strip():
            yield message.index, len(message.text) - len(kept), kept
        room -= max(len(offsets), len(end) // TOKEN_CHARS)
        if room <= 0:
            return


def _end_of(judge: Judge, text: str, room: int) -> int:
    """Return where the first `room` tokens of a text end."""
    head = text[: room * TOKEN_CHARS]
    offsets = judge.offsets(head)
    return len(head) if len(offsets) <= room else offsets[room - 1][1]
