"""What a check answers: a `Verdict` for one policy, a `Report` for several.

Neither can be used as a truth value: ``if guard.check(text):`` would read as "safe" to one reader and as
"unsafe" to the next, so it raises `TypeError` and asks for ``.unsafe``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

from unigurd_sdk.errors import ConfigError, PromptBlocked, UnknownPolicy

__all__ = ["Report", "TokenCount", "Verdict", "Window"]


@dataclass(frozen=True, slots=True)
class Window:
    """A slice of the checked text and the score it got.

    Attributes:
        start: First character, counted from 0 in the text as it was passed in; what was decoded comes from all of
            the characters that it was encoded with.
        end: One past the last character.
        score: Probability of a violation in this slice, 0 to 1, lowered by how many slices there are.
    """

    start: int
    end: int
    score: float

    def __post_init__(self) -> None:
        """Refuse slices that cannot be cut and scores that are no probability."""
        if not 0 <= self.start <= self.end:
            raise ConfigError(f"A window needs 0 <= start <= end, got {self.start} and {self.end}.")
        _probability("The score of a window", self.score)


@dataclass(frozen=True, slots=True)
class TokenCount:
    """How many tokens of the text the model read (`scanned`) and how many it has (`total`)."""

    scanned: int
    total: int

    def __post_init__(self) -> None:
        """Refuse counts that cannot be."""
        if not 0 <= self.scanned <= self.total:
            raise ConfigError(f"Tokens need 0 <= scanned <= total, got {self.scanned} and {self.total}.")

    @property
    def complete(self) -> bool:
        """True if every token was read."""
        return self.scanned == self.total


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one text under one policy.

    Attributes:
        policy: Name of the policy.
        unsafe: True if the text violates the policy, or could not be read whole.
        score: Probability of a violation, 0 to 1; higher is worse.
        threshold: The text is unsafe from this score on.
        tokens: Tokens read and tokens there; a safe verdict has read them all.
        latency_ms: Wall time of the check in milliseconds.
        role: ``user``, ``assistant`` or ``document``.
        checkpoint: The checkpoint that scored.
        windows: Slices of the text with their scores, worst first.
        views: The readings of the text that were scored; ``raw`` is the text itself, and the others are named by the
            views that were applied, such as ``invisible+base64``.
        decided_by: ``model``, or the plugin that decided.
        error: Why the check failed, if it did; then the outcome was chosen, not measured.

    Raises:
        ConfigError: The parts contradict each other, such as safe although a part was not read.
    """

    policy: str
    unsafe: bool
    score: float
    threshold: float
    tokens: TokenCount
    latency_ms: float
    role: str
    checkpoint: str
    windows: tuple[Window, ...] = ()
    views: tuple[str, ...] = ("raw",)
    decided_by: str = "model"
    error: str | None = None

    def __post_init__(self) -> None:
        """Hold what makes a verdict trustworthy."""
        _probability("The score", self.score)
        if not math.isfinite(self.threshold):
            raise ConfigError(f"The threshold of a verdict must be a finite number, got {self.threshold}.")
        if not self.unsafe and not self.tokens.complete:
            raise ConfigError(
                f"A verdict that read {self.tokens.scanned} of {self.tokens.total} tokens cannot be safe; "
                "scan the rest or report it as unsafe."
            )
        self._check_decision()

    def _check_decision(self) -> None:
        decided_by_score = self.decided_by == "model" and self.error is None
        if decided_by_score and self.score >= self.threshold and not self.unsafe:
            raise ConfigError(f"A score of {self.score} reaches the threshold of {self.threshold}: it cannot be safe.")
        if any(a.score < b.score for a, b in zip(self.windows, self.windows[1:], strict=False)):
            raise ConfigError("The windows of a verdict must be sorted by score, worst first.")

    @property
    def valid(self) -> bool:
        """True if the text complies with the policy: the opposite of `unsafe`."""
        return not self.unsafe

    def __bool__(self) -> NoReturn:
        """Refuse: the truth of a verdict is ambiguous."""
        raise TypeError("A Verdict has no truth value; use `.unsafe` (or `.valid`).")

    def raise_if_unsafe(self) -> None:
        """Raise `PromptBlocked`, which carries this verdict, if the text is unsafe."""
        if self.unsafe:
            raise PromptBlocked(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists, strings and numbers, ready for `json.dumps`."""
        plain = asdict(self)
        return plain | {"windows": list(plain["windows"]), "views": list(self.views)}


@dataclass(frozen=True, slots=True)
class Report:
    """The verdicts on one text under several policies, by policy name: ``report["tax"]``.

    Attributes:
        verdicts: One per policy, in the order asked; at least one.
    """

    verdicts: tuple[Verdict, ...]

    def __post_init__(self) -> None:
        """Refuse a report that checked nothing, or one policy twice."""
        if not self.verdicts:
            raise ConfigError("A report needs at least one verdict; nothing checked is not safe.")
        if len(set(self)) < len(self.verdicts):
            raise ConfigError("A report has one verdict per policy; ask for each policy once.")

    @property
    def unsafe(self) -> bool:
        """True if any verdict is unsafe."""
        return any(verdict.unsafe for verdict in self.verdicts)

    @property
    def valid(self) -> bool:
        """True if every verdict is safe."""
        return not self.unsafe

    @property
    def worst(self) -> Verdict:
        """The unsafe verdict, or else any, whose score is furthest above (or least below) its threshold."""
        return max(self.verdicts, key=lambda verdict: (verdict.unsafe, verdict.score - verdict.threshold))

    def __getitem__(self, policy: str) -> Verdict:
        """Return the verdict on a policy; raise `UnknownPolicy` (a KeyError) if it was not checked."""
        for verdict in self.verdicts:
            if verdict.policy == policy:
                return verdict
        raise UnknownPolicy(policy, known=tuple(self))

    def __iter__(self) -> Iterator[str]:
        """Iterate over the policy names, in the order asked."""
        return (verdict.policy for verdict in self.verdicts)

    def __len__(self) -> int:
        """Return the number of policies checked."""
        return len(self.verdicts)

    def __contains__(self, policy: object) -> bool:
        """Say whether the policy of this name was checked."""
        return any(verdict.policy == policy for verdict in self.verdicts)

    def __bool__(self) -> NoReturn:
        """Refuse: the truth of a report is ambiguous."""
        raise TypeError("A Report has no truth value; use `.unsafe` (or `.valid`).")

    def raise_if_unsafe(self) -> None:
        """Raise `PromptBlocked`, which carries this report, if any verdict is unsafe."""
        if self.unsafe:
            raise PromptBlocked(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists, strings and numbers, ready for `json.dumps`."""
        return {
            "unsafe": self.unsafe,
            "worst": self.worst.policy,
            "verdicts": {verdict.policy: verdict.to_dict() for verdict in self.verdicts},
        }


def _probability(what: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:  # also refuses nan
        raise ConfigError(f"{what} must lie between 0 and 1, got {value}.")
