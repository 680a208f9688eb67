"""Calibration: one temperature and per-policy thresholds for a checkpoint, from rows that no report uses.

Scores become probabilities by one temperature that minimises the negative log-likelihood. Built-in policies with enough
rows of their own also get a threshold: the best F1 with a bounded false positive rate, drawn towards .5 in logit
space by how few rows there are. Both are written into the manifest of the checkpoint folder.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unigurd_sdk.checkpoint import Checkpoint, write_manifest
from unigurd_sdk.errors import ConfigError
from unigurd_sdk.guard import Guard
from unigurd_sdk.registry import builtin_policies
from unigurd_trainer.errors import DataError
from unigurd_trainer.measure.judged import Judged
from unigurd_trainer.measure.judges import judge
from unigurd_trainer.measure.sets import Half, calibration_sets
from unigurd_trainer.metrics import Labels, Scores, best_threshold, calibration_error, nll

__all__ = ["Calibration", "Fit", "Threshold", "fit_temperature", "fit_threshold", "run"]

log = logging.getLogger(__name__)

COOL, HOT = 0.05, 20.0
"""The temperatures that are considered."""

PROBE = 64.0
"""Temperature at which the guard is asked, so that no logit of a trained model saturates its score."""

LEAST_ROWS, LEAST_OF_CLASS = 150, 30
"""A policy with fewer rows, or fewer of a class, keeps the common threshold."""

SHRINK = 200
"""Rows at which a policy's own threshold and .5 weigh the same."""

MOST_FPR = 0.05
"""The default bound on the false positive rate of a policy's own threshold."""

FLAT = 0.003
"""F1 that a policy's threshold may cost: among these it is the middle one."""

GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True)
class Fit:
    """Negative log-likelihood (nats a row) and expected calibration error of N rows, before and after."""

    rows: int
    nll_before: float
    nll_after: float
    ece_before: float
    ece_after: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """A policy's threshold: `best` has the F1 `f1` on the `rows` for calibration, `value` is it drawn towards .5."""

    value: float
    best: float
    f1: float
    rows: int
    unsafe: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """What calibration did.

    Attributes:
        temperature, before: The new temperature and the old one.
        thresholds: New thresholds by policy; the others keep the checkpoint's common one.
        fits: By half: on ``calibrate`` it was fitted, ``report`` is what to believe.
        checkpoint_id: Hash of the manifest as written.
    """

    temperature: float
    before: float
    thresholds: Mapping[str, Threshold]
    fits: Mapping[Half, Fit]
    checkpoint_id: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for `json.dumps`."""
        return asdict(self)


def run(
    checkpoint: Path,
    data: Path,
    *,
    most_fpr: float = MOST_FPR,
    policy_fpr: Mapping[str, float] | None = None,
    holdout_seed: int = 0,
    threads: int | None = None,
    prepared: Callable[[int], None] = lambda rows: None,
    observe: Callable[[int], None] = lambda rows: None,
) -> Calibration:
    """Calibrate a checkpoint folder in place; an earlier calibration is replaced.

    Args:
        checkpoint: The folder; its manifest is rewritten.
        data: The data folder; only ``sdg-dev`` and ``pool-dev`` are used, never the benchmarks.
        most_fpr: Share of the safe texts that a policy's own threshold may flag, on the rows for calibration.
        policy_fpr: Another share for some policies, by name.
        holdout_seed: The one of the training recipe.
        threads: Threads of one operation; None is one per core.
        prepared: Told once how many rows will be judged.
        observe: Told of every piece that was judged.

    Raises:
        ConfigError: `most_fpr` or one of `policy_fpr` is not a share, or a name is that of no built-in policy.
        DataError: There are no rows of both classes to calibrate on.
    """
    bounds = dict.fromkeys(builtin_policies(), most_fpr)
    if unknown := sorted(set(policy_fpr or {}) - set(bounds)):
        raise ConfigError(f"{', '.join(unknown)}: no built-in policy, so it gets no threshold of its own.")
    bounds |= policy_fpr or {}
    if not all(0 <= bound <= 1 for bound in bounds.values()):
        raise ConfigError(f"False positive rates must lie between 0 and 1, not {most_fpr} and {policy_fpr or {}}.")
    opened = Checkpoint.open(checkpoint)
    halves: tuple[Half, Half] = ("calibrate", "report")
    sets = {side: calibration_sets(data, side, holdout_seed=holdout_seed) for side in halves}
    prepared(sum(each.rows for chosen in sets.values() for each in chosen))
    with _probing(opened, threads) as guard:
        rows = {
            side: judge(guard, [episode for each in chosen for episode in each.episodes], observe)
            for side, chosen in sets.items()
        }
    temperature = round(fit_temperature(rows["calibrate"].labels, _logits(rows["calibrate"])), 4)
    thresholds = _thresholds(rows["calibrate"], temperature, bounds)
    before = opened.manifest.temperature
    values = {name: each.value for name, each in thresholds.items()}
    write_manifest(checkpoint, opened.manifest.model_copy(update={"temperature": temperature, "thresholds": values}))
    return Calibration(
        temperature=temperature,
        before=before,
        thresholds=thresholds,
        fits={side: _fit(judged, before, temperature) for side, judged in rows.items()},
        checkpoint_id=Checkpoint.open(checkpoint, verify="size").id,
    )


def fit_temperature(labels: Labels, logits: Scores) -> float:
    """Return the temperature between 0.05 and 20 that minimises the NLL of labels [N] under sigmoid(logits / it) [N].

    The NLL is convex in 1 / temperature and so has one valley; golden-section search over its logarithm finds it.

    Raises:
        DataError: A class is missing.
    """
    if not 0 < int((labels == 1).sum()) < len(labels):
        raise DataError("calibration needs safe and unsafe rows in sdg-dev or pool-dev; add rows with split 'dev'")
    low, high = math.log(COOL), math.log(HOT)
    while high - low > 1e-6:
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        if nll(labels, logits, math.exp(left)) < nll(labels, logits, math.exp(right)):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def fit_threshold(labels: Labels, scores: Scores, most_fpr: float = MOST_FPR) -> Threshold | None:
    """Return the threshold of a policy from its rows [N]; None if they are too few, or none keeps `most_fpr`."""
    rows, unsafe = len(labels), int((labels == 1).sum())
    if rows < LEAST_ROWS or min(unsafe, rows - unsafe) < LEAST_OF_CLASS:
        return None
    best, f1 = best_threshold(labels, scores, most_fpr, FLAT)
    if not f1:
        return None
    clipped = min(max(best, 1e-6), 1 - 1e-6)
    drawn = math.log(clipped / (1 - clipped)) * rows / (rows + SHRINK)
    return Threshold(round(1 / (1 + math.exp(-drawn)), 4), round(best, 4), round(f1, 4), rows, unsafe)


def _probing(opened: Checkpoint, threads: int | None) -> Guard:
    """Open the checkpoint with the probing temperature, which changes nothing on disk.

    Without the correction for the number of windows: it is in units of the calibrated logit, which is not known yet.
    """
    manifest = opened.manifest.model_copy(update={"temperature": PROBE, "window_slope": 0.0})
    return Guard(replace(opened, manifest=manifest), threads=threads)


def _logits(judged: Judged) -> NDArray[np.float64]:
    """Invert the sigmoid; a score of exactly 0 or 1 becomes the largest finite logit."""
    assert judged.scores is not None  # a guard gives scores
    tiny = np.finfo(np.float64).eps
    scores = np.clip(judged.scores, tiny, 1 - tiny)
    return np.asarray(PROBE * (np.log(scores) - np.log1p(-scores)))


def _thresholds(judged: Judged, temperature: float, bounds: Mapping[str, float]) -> dict[str, Threshold]:
    """Fit the built-in policies; rows count only if they were judged under the built-in wording."""
    scores = _probabilities(_logits(judged), temperature)
    fitted = {}
    for name, policy in builtin_policies().items():
        own = judged.policies == policy.fingerprint
        threshold = fit_threshold(judged.labels[own], scores[own], bounds[name])
        if threshold is not None:
            fitted[name] = threshold
        elif own.any():
            log.info("%s: %d rows do not give it a threshold of its own", name, int(own.sum()))
    return fitted


def _fit(judged: Judged, before: float, after: float) -> Fit:
    labels, logits = judged.labels, _logits(judged)
    errors = [calibration_error(labels, _probabilities(logits, each)) for each in (before, after)]
    return Fit(len(labels), nll(labels, logits, before), nll(labels, logits, after), *errors)


def _probabilities(logits: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * logits / temperature))
