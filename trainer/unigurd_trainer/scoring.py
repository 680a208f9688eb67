"""Scores episodes with a torch model, and turns validation sets into the one number that steers a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from unigurd_sdk.nn.model import GuardModel
from unigurd_trainer.batching import Batch, Collator, TextBucket
from unigurd_trainer.errors import LeakageError
from unigurd_trainer.metrics import auc, mean_auc
from unigurd_trainer.objective import autocast, forward
from unigurd_trainer.rows import Episode


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows of a set: `labels`, `logits` and the episode that each belongs to, all [N]."""

    labels: NDArray[np.int64]
    logits: NDArray[np.float64]
    episode: NDArray[np.int64]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Uncalibrated probabilities of a violation."""
        return np.asarray(1 / (1 + np.exp(-self.logits)))

    def groups(self) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Labels and logits by episode."""
        return [(self.labels[self.episode == e], self.logits[self.episode == e]) for e in np.unique(self.episode)]


@torch.no_grad()
def score_episodes(
    model: GuardModel, collate: Collator, episodes: Sequence[Episode], *, precision: str = "bf16", chunk: int = 8
) -> Scored:
    """Score every text of the episodes, `chunk` episodes at a time; rows come bucket by bucket, not in order.

    A collator that reads rationales, which state the label, raises `LeakageError`.
    """
    if collate.max_rationale:
        raise LeakageError("Rationales state the label and must not be scored; use a collator that does not read them.")
    model.eval()
    device = next(model.parameters()).device
    parts = []
    for start in range(0, len(episodes), chunk):
        with autocast(precision, device.type):
            batch: Batch = collate(episodes[start : start + chunk]).to(device)
            parts += [_rows(bucket, logits, start) for bucket, logits, _ in forward(model, batch)]
    labels, logits, episode = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Scored(labels.astype(np.int64), logits.astype(np.float64), episode.astype(np.int64))


def _rows(bucket: TextBucket, logits: torch.Tensor, start: int) -> tuple[NDArray[np.float32], ...]:
    return bucket.labels.cpu().numpy(), logits.float().cpu().numpy(), (bucket.policy + start).cpu().numpy()


def make_validation(
    collate: Collator, sets: Mapping[str, Sequence[Episode]], precision: str = "bf16"
) -> Callable[[GuardModel], dict[str, float]]:
    """Build a validation: AUC over all rows and mean AUC per policy of each set; ``score`` is their mean.

    What cannot be measured (a set without texts, or with one class only) is left out.
    """

    def validate(model: GuardModel) -> dict[str, float]:
        scores: dict[str, float] = {}
        for name, episodes in sets.items():
            if not episodes:
                continue
            scored = score_episodes(model, collate, episodes, precision=precision)
            scores[f"{name}/auc"] = round(auc(scored.labels, scored.logits), 4)
            scores[f"{name}/policy_auc"] = round(mean_auc(scored.groups()), 4)
        scores = {name: value for name, value in scores.items() if not math.isnan(value)}
        scores["score"] = round(float(np.mean([v for k, v in scores.items() if k.endswith("/auc")])), 4)
        return scores

    return validate
