"""What a rival said of one row."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unigurd_trainer.measure.predictions import Prediction

__all__ = ["NO_ANSWER", "Judgement"]

NO_ANSWER = "no answer"
"""Start of the reason where nothing came back; such rows can be asked again."""

LONGEST_NOTE = 300


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, or why there is none.

    Attributes:
        flagged: The rival's own decision.
        score: Probability or strength of a violation from 0 to 1; None where a rival has none. One adapter with the
            same options gives one to every row or to none.
        categories: What was found, in the rival's words.
        label: The answer as it came, shortened.
        invalid: Why it counts as no answer (and so as wrong, whatever the label); empty if it is one.
        latency_ms: How long the answer took, without the wait for a free place and without tries that failed.
    """

    flagged: bool = False
    score: float | None = None
    categories: tuple[str, ...] = ()
    label: str = ""
    invalid: str = ""
    latency_ms: float | None = None

    def prediction(self, id: str) -> Prediction:
        """Return it as a line of a file of predictions."""
        found = f"[{', '.join(self.categories)}]" if self.categories else ""
        said = " ".join(" ".join(filter(None, (self.label, found))).split())
        latency = None if self.latency_ms is None else round(self.latency_ms, 1)
        broken = self.score is not None and math.isnan(self.score)
        reason = self.invalid or ("the score is not a number" if broken else "")
        if reason:
            note = f"{reason}: {said}" if said else reason
            return Prediction(id=id, invalid=True, latency_ms=latency, note=note[:LONGEST_NOTE])
        score = None if self.score is None else round(min(1.0, max(0.0, self.score)), 6)
        return Prediction(id=id, score=score, flagged=self.flagged, latency_ms=latency, note=said[:LONGEST_NOTE])
