"""How a merged checkpoint decides, where it is for one policy: temperature and threshold from the threshold split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from unigurd_sdk.checkpoint import Checkpoint, write_manifest
from unigurd_sdk.manifest import MANIFEST_NAME
from unigurd_trainer.decision import decide
from unigurd_trainer.scoring import Scored
from unigurd_trainer.search.evaluator import Evaluator
from unigurd_trainer.search.point import Point

__all__ = ["set_threshold"]


def set_threshold(evaluator: Evaluator, point: Point, folder: Path) -> dict[str, Any] | None:
    """Write temperature and threshold into the checkpoint in `folder`, which is the merge of `point`.

    Returns what they give on the threshold split, on which nothing was chosen before; None where `folder` is a run,
    or rows are of several policies. With few rows the best candidate's own stay (see `unigurd_trainer.decision`).
    """
    names = {row.policy.name for row in evaluator.splits.rows["threshold"]}
    if len(names) != 1 or not (folder / MANIFEST_NAME).is_file():
        return None
    labels, logits = evaluator.threshold_scores(point)
    scored, manifest = Scored(labels, logits, np.zeros(len(labels), np.int64)), Checkpoint.open(folder).manifest
    decided, policy = decide(scored, manifest), names.pop()
    write_manifest(folder, manifest.model_copy(update=decided.manifest_fields(policy)))
    return {"policy": policy, "temperature": decided.temperature, "fitted": decided.fitted, **decided.measure(scored)}
