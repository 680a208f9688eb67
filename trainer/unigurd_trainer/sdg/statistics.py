"""The account of a run: what was asked, paid for, refused, thrown away and decided, and what to be warned of."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from unigurd_trainer.sdg.samples import LABELS

__all__ = ["ReflectionRound", "RunStatistics"]

SKEW = 0.05
"""Deviation of the unsafe share from one half that is worth a warning."""

REFUSAL_RATE = 0.2
"""Share of refused texts of a label that is worth a warning."""

CUT_RATE = 0.1
"""Share of answers cut at the limit of tokens that is worth a warning."""

COUNTS = (
    "total", "judged", "unjudged", "disagreements", "kept", "flipped", "rewritten", "dropped", "regenerated",
)  # fmt: skip
"""What is counted in a round of self-reflection."""


@dataclass(slots=True)
class ReflectionRound:
    """One round of self-reflection.

    Attributes:
        round: Its number, from 0.
        policy_version: The policy that was judged by.
        total: Samples in the set.
        judged: Samples judged in this round.
        unjudged: Samples whose verdict could not be had; they stay as they are.
        disagreements: Samples that were judged otherwise than they were written.
        kept: Of these, settled as they were written; `flipped`, `rewritten` and `dropped` are the others.
        diff: Unified diff to the policy of the next round; empty if it stays.
    """

    round: int
    policy_version: int = 1
    total: int = 0
    judged: int = 0
    unjudged: int = 0
    disagreements: int = 0
    kept: int = 0
    flipped: int = 0
    rewritten: int = 0
    dropped: int = 0
    regenerated: int = 0
    diff: str = ""

    @property
    def rate(self) -> float:
        """Disagreements as a share of all samples."""
        return self.disagreements / max(1, self.total)

    def add(self, other: ReflectionRound) -> None:
        """Take the counts of another round in."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class RunStatistics:
    """What a run did, kept up to date while it goes on. Counters by label have the keys ``safe`` and ``unsafe``.

    Attributes:
        wanted: Samples ordered, by label.
        made: Samples delivered, by label.
        asked: Texts asked for, by label, with those asked for again.
        refused: Texts refused, by label.
        requests: Answers paid for in this run.
        replayed: Answers that were in the journal.
        retries: Tries that failed and were repeated.
        prompt_tokens: Tokens sent, for all answers, those in the journal too; likewise `completion_tokens`, `cost`.
        estimated: Answers whose tokens are an estimate, because the server did not count.
        truncated: Answers cut at the limit of tokens; their complete texts were used.
        parse_failures: Answers to be read that held nothing usable.
        rejected: Texts that could not be used, by reason.
        turned_down: Requests that the server did not take.
        duplicates: Texts that there already were.
        reflection: The rounds of self-reflection.
        warnings: What a reader of the data set must know, in sentences; filled by `close`.
        seconds: How long it took.
        complete: Whether it came to its end.
    """

    wanted: Counter[str] = field(default_factory=Counter)
    made: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    replayed: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    estimated: int = 0
    truncated: int = 0
    parse_failures: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    turned_down: int = 0
    duplicates: int = 0
    reflection: list[ReflectionRound] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    complete: bool = False

    def refusal_rate(self, label: str) -> float:
        """Return the share of the texts of a label that were refused, in [0, 1]."""
        return self.refused[label] / max(1, self.asked[label])

    def close(self) -> None:
        """Write the warnings."""
        self.warnings += [*self._refusals(), *self._cuts(), *self._shortage(), *self._skew()]

    def add(self, other: RunStatistics) -> None:
        """Take another account in, that of a part of this run; rounds of reflection are summed by their number."""
        for name in (each.name for each in fields(self)):
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, Counter):
                mine.update(theirs)
            elif name not in ("retries", "complete", "reflection"):  # a client counts its retries for all parts
                setattr(self, name, mine + theirs)
        self.retries = max(self.retries, other.retries)
        for each in other.reflection:
            self._round(each.round).add(each)

    def _round(self, number: int) -> ReflectionRound:
        while len(self.reflection) <= number:
            self.reflection.append(ReflectionRound(len(self.reflection)))
        return self.reflection[number]

    def to_record(self) -> dict[str, Any]:
        """Turn the account into plain values for JSON, with the rates."""
        record = {each.name: getattr(self, each.name) for each in fields(self)}
        record |= {name: dict(value) for name, value in record.items() if isinstance(value, Counter)}
        record["refusal_rate"] = {label: self.refusal_rate(label) for label in LABELS}
        record["reflection"] = [asdict(each) | {"rate": each.rate} for each in self.reflection]
        return record

    def _refusals(self) -> list[str]:
        return [
            f"The model refused {self.refusal_rate(label):.0%} of the {label} texts it was asked for "
            f"({self.refused[label]} of {self.asked[label]}); use a model that writes them."
            for label in LABELS
            if self.refusal_rate(label) >= REFUSAL_RATE
        ]

    def _cuts(self) -> list[str]:
        answers = self.requests + self.replayed
        if self.truncated <= CUT_RATE * answers:
            return []
        return [f"{self.truncated} of {answers} answers were cut at the limit of tokens; raise max_tokens."]

    def _shortage(self) -> list[str]:
        short = {label: self.wanted[label] - self.made[label] for label in LABELS}
        return [
            f"{missing} of {self.wanted[label]} {label} samples are missing."
            for label, missing in short.items()
            if missing > SKEW * self.wanted[label]
        ]

    def _skew(self) -> list[str]:
        share = self.made["unsafe"] / max(1, sum(self.made.values()))
        if not self.made or abs(share - 0.5) <= SKEW:
            return []
        return [f"The set is not balanced: {share:.0%} of the samples are unsafe, not 50%."]
