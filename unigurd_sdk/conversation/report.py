"""What a check of a conversation answers: one finding for each message that was checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from unigurd_sdk.conversation.messages import MessageRole
from unigurd_sdk.errors import ConfigError, PromptBlocked
from unigurd_sdk.judge import Answer, worst

__all__ = ["ConversationReport", "Finding", "Part"]


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a message in the text that was judged.

    Attributes:
        index: The message.
        start: First character of the piece in the judged text, where the offsets of a verdict's windows count.
        end: One past the last.
        offset: First character of the piece in the text of the message.
    """

    index: int
    start: int
    end: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer about one message.

    Attributes:
        index: The message, counted from 0 in the conversation.
        role: Who wrote it: ``system``, ``user``, ``assistant`` or ``tool``.
        verdict: A verdict, or a report if several policies were asked for: about the message alone, or about it and
            messages before it if only together they violate a policy.
        parts: What was judged: pieces of this message and of messages before it, in order.
        skipped: Types of parts of the message that are no text and were not read (`unreadable="skip"`).
    """

    index: int
    role: MessageRole
    verdict: Answer
    parts: tuple[Part, ...]
    skipped: tuple[str, ...] = ()

    @property
    def unsafe(self) -> bool:
        """True if the message violates a policy, alone or with messages before it."""
        return self.verdict.unsafe

    @property
    def together(self) -> bool:
        """True if the verdict is about several messages."""
        return len(self.parts) > 1

    def __bool__(self) -> NoReturn:
        """Refuse: the truth of a finding is ambiguous."""
        raise TypeError("A Finding has no truth value; use `.unsafe`.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists, strings and numbers, ready for `json.dumps`."""
        parts = [{"index": p.index, "start": p.start, "end": p.end, "offset": p.offset} for p in self.parts]
        return {
            "index": self.index,
            "role": self.role,
            "verdict": self.verdict.to_dict(),
            "parts": parts,
            "skipped": list(self.skipped),
        }


@dataclass(frozen=True, slots=True)
class ConversationReport:
    """The findings on a conversation, in the order of its messages; at least one."""

    findings: tuple[Finding, ...]

    def __post_init__(self) -> None:
        """Refuse a report that checked nothing."""
        if not self.findings:
            raise ConfigError("No message was checked; nothing checked is not safe.")

    @property
    def unsafe(self) -> bool:
        """True if any message is unsafe."""
        return any(finding.unsafe for finding in self.findings)

    @property
    def valid(self) -> bool:
        """True if every message that was checked is safe."""
        return not self.unsafe

    @property
    def worst(self) -> Finding:
        """The finding whose score is furthest above (or least below) its threshold, an unsafe one first."""
        return max(self.findings, key=_badness)

    def __iter__(self) -> Iterator[Finding]:
        """Iterate over the findings."""
        return iter(self.findings)

    def __len__(self) -> int:
        """Return how many messages were checked."""
        return len(self.findings)

    def __bool__(self) -> NoReturn:
        """Refuse: the truth of a report is ambiguous."""
        raise TypeError("A ConversationReport has no truth value; use `.unsafe` (or `.valid`).")

    def raise_if_unsafe(self) -> None:
        """Raise `PromptBlocked` with the worst verdict if any message is unsafe."""
        if self.unsafe:
            raise PromptBlocked(self.worst.verdict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists, strings and numbers, ready for `json.dumps`."""
        return {
            "unsafe": self.unsafe,
            "worst": self.worst.index,
            "findings": [finding.to_dict() for finding in self.findings],
        }


def _badness(finding: Finding) -> tuple[bool, float]:
    verdict = worst(finding.verdict)
    return finding.unsafe, verdict.score - verdict.threshold
