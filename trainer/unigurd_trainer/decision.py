"""How a TaskGuard decides: temperature and threshold from its held-out texts, and what they give there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from unigurd_sdk.manifest import Manifest
from unigurd_trainer.measure.calibrate import fit_temperature, fit_threshold
from unigurd_trainer.metrics import Labels, Scores, auc, f1
from unigurd_trainer.scoring import Scored

__all__ = ["Decision", "decide"]

LEAST_ROWS = 100
"""Held-out texts below which the start's own temperature stays."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A score is sigmoid(logit / `temperature`), unsafe from `threshold` on; `fitted` if the threshold is its own."""

    temperature: float
    threshold: float
    fitted: bool = False

    def manifest_fields(self, policy: str) -> dict[str, Any]:
        """Fields of the manifest."""
        thresholds = {policy: self.threshold} if self.fitted else {}
        return {"temperature": self.temperature, "thresholds": thresholds}

    def probabilities(self, scored: Scored) -> Scores:
        """Probabilities of a violation [N]."""
        return replace(scored, logits=scored.logits / self.temperature).probabilities

    def measure(self, scored: Scored) -> dict[str, float]:
        """Area under the ROC curve, and F1 and false positive rate at the threshold."""
        flagged = self.probabilities(scored) >= self.threshold
        values = {
            "auc": auc(scored.labels, scored.logits),
            "f1": f1(scored.labels, flagged),
            "fpr": float(flagged[scored.labels == 0].mean()),
            "threshold": self.threshold,
        }
        return {name: round(value, 4) for name, value in values.items()}


def decide(scored: Scored, manifest: Manifest) -> Decision:
    """Fit both where the texts are enough; else keep what the manifest has."""
    labels: Labels = scored.labels
    temperature = manifest.temperature
    if len(labels) >= LEAST_ROWS:
        temperature = round(fit_temperature(labels, scored.logits), 4)
    plain = Decision(temperature, manifest.threshold)
    fitted = fit_threshold(labels, plain.probabilities(scored))
    return plain if fitted is None else Decision(temperature, fitted.value, fitted=True)
