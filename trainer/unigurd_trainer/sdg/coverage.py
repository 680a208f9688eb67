"""Coverage: how near the packaged material is to each behaviour of a policy, and the account of an offline run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from unigurd_trainer.sdg.samples import LABELS, Sample
from unigurd_trainer.sdg.targets import Target

__all__ = ["ENOUGH", "Coverage", "OfflineStatistics"]

ENOUGH = 8
"""Near texts that a behaviour needs to count as covered."""

SILVER = (
    "These labels are silver: they follow from the nearness of packaged texts to the behaviours, and nobody read them "
    "under this policy. Read a part of them before you rely on what they train."
)


@dataclass(frozen=True, slots=True)
class Coverage:
    """One behaviour and the material near it.

    Attributes:
        near: Texts at or above the floor.
        best: Nearness of the nearest text of its side.
        wording: The nearest wording of the material, and its cosine `similarity`.
    """

    behaviour: str
    listed: str
    near: int
    best: float
    wording: str
    similarity: float

    @property
    def covered(self) -> bool:
        """Whether there are enough texts."""
        return self.near >= ENOUGH

    def __str__(self) -> str:
        return f"{self.behaviour!r} ({self.listed}: {self.near} near texts, the nearest at {self.best:.2f})"


@dataclass(slots=True)
class OfflineStatistics:
    """What an offline run made.

    Attributes:
        coverage: The behaviours.
        made: Samples by label.
        kinds: Samples by what they are: listed, sibling, off topic, example, frame.
        frames: Samples made of a behaviour's own words, by behaviour.
        agreed: Near texts that the guard agreed on, by behaviour; None if it was not asked.
        doubted: Candidates that were dropped because it did not agree.
        warnings: What a reader of the data set must know, in sentences; filled by `close`.
    """

    coverage: tuple[Coverage, ...] = ()
    made: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    frames: Counter[str] = field(default_factory=Counter)
    agreed: Counter[str] | None = None
    doubted: int = 0
    augmented: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def far(self) -> tuple[Coverage, ...]:
        """The behaviours without enough near texts."""
        return tuple(row for row in self.coverage if not row.covered)

    def count(self, sample: Sample, kind: str) -> None:
        """Take a sample into account."""
        self.made[LABELS[sample.label]] += 1
        self.kinds[kind] += 1
        self.augmented += bool(sample.control.augment)
        if kind == "frame":
            self.frames[sample.control.behaviour] += 1

    def close(self, wanted: int) -> None:
        """Write the warnings."""
        self.warnings = [*self._far(), *self._disputed(), *self._short(wanted), SILVER]

    def to_record(self) -> dict[str, Any]:
        """Turn the account into plain values for JSON."""
        record = asdict(self)
        record["coverage"] = [asdict(row) | {"covered": row.covered} for row in self.coverage]
        counts = {name: getattr(self, name) for name in ("made", "kinds", "frames", "agreed")}
        return record | {name: None if count is None else dict(sorted(count.items())) for name, count in counts.items()}

    def _far(self) -> Iterable[str]:
        for row in self.far:
            yield (
                f"Little or nothing is near {row}; the nearest packaged wording is {row.wording!r} "
                f"({row.similarity:.2f}). {self.frames[row.behaviour]} samples were made of the behaviour's own words. "
                "Add examples to the policy, or use an endpoint."
            )

    def _disputed(self) -> Iterable[str]:
        for row in self.coverage:
            agreed = row.near if self.agreed is None else self.agreed[row.behaviour]
            if row.covered and agreed < ENOUGH:
                label = LABELS[row.listed == "disallowed"]
                yield (
                    f"Of the {row.near} texts near {row.behaviour!r}, the guard agrees that {agreed} are {label}; the "
                    "others were dropped: mostly they share no more than the subject. Add examples, or use an endpoint."
                )

    def _short(self, wanted: int) -> Iterable[str]:
        made = sum(self.made.values())
        if made < 0.95 * wanted:
            yield f"{made} of {wanted} samples could be made; ask for fewer, add examples, or use an endpoint."


def coverage_of(target: Target, near: int, best: float, wording: str, similarity: float) -> Coverage:
    """Describe a target's coverage."""
    return Coverage(target.line, target.listed, near, round(best, 3), wording, round(similarity, 3))
