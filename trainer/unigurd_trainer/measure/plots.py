"""Plots of results as PNG and SVG: precision over recall, reliability and scores of a set; intervals of all sets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unigurd_trainer.figures import new_figure, save
from unigurd_trainer.measure.judged import Judged
from unigurd_trainer.measure.results import Results, SetResult
from unigurd_trainer.metrics import Scores, average_precision, calibration_error, last_of_tie

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_overview", "draw_set"]

MODELS = ("#0072b2", "#d55e00")
"""Colours of the model and of its rival; they differ for colour-blind eyes, as do those of the classes."""

CLASSES = (("safe", "#009e73"), ("unsafe", "#cc3377"))
GREY = "#888888"

BINS, RELIABILITY_BINS, LEAST_IN_BIN = 30, 10, 5

Named = Sequence[tuple[str, Judged]]
"""The model and, if there is one, its rival, each with its name and its answers about one set."""


def draw_set(name: str, models: Named, folder: Path) -> None:
    """Write the three plots of a set side by side, as ``<set>.png`` and ``<set>.svg``."""
    figure = new_figure(name, 13, 4.2)
    precision, reliability, scores = figure.subplots(1, 3)
    _precision(precision, models)
    _reliability(reliability, models)
    _scores(scores, models[0])
    save(figure, folder / re.sub(r"[^\w.-]+", "-", name))


def draw_overview(results: Results, folder: Path) -> None:
    """Write F1, recall, FPR and AUC of all sets with their intervals, as ``overview.png`` and ``overview.svg``."""
    sets = results.sets[::-1]
    figure = new_figure(f"{results.checkpoint}: 95 % intervals", 13, 1.4 + 0.3 * len(sets))
    shown = {"f1": "F1", "recall": "recall", "fpr": "FPR", "auc": "AUC"}
    for axes, (measure, title) in zip(figure.subplots(1, len(shown), sharey=True), shown.items(), strict=True):
        axes.set_title(title)
        _intervals(axes, sets, measure)
    save(figure, folder / "overview")


def _precision(axes: Axes, models: Named) -> None:
    _labelled(axes, "precision over recall", "recall", "precision")
    for (name, judged), colour in zip(models, MODELS, strict=False):
        unsafe = judged.labels == 1
        if not 0 < unsafe.sum() < len(unsafe):
            return _note(axes, "one class only")
        label = name
        if judged.scores is not None:
            recall, precision = _curve(judged.labels, judged.scores)
            axes.step(recall, precision, where="pre", color=colour)
            label = f"{name}, AUPRC {average_precision(judged.labels, judged.scores):.3f}"
        hits = (judged.flagged & unsafe).sum()
        at = hits / unsafe.sum(), hits / max(judged.flagged.sum(), 1)
        axes.plot(*at, "o", color=colour, label=label)
    axes.axhline(float((models[0][1].labels == 1).mean()), color=GREY, linestyle=":", label="flags at random")
    axes.legend(loc="lower left")


def _reliability(axes: Axes, models: Named) -> None:
    _labelled(axes, "reliability", "score", "share of unsafe rows")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":")
    for (name, judged), colour in zip(models, MODELS, strict=False):
        if judged.scores is None:
            axes.plot([], [], "o", color=colour, label=f"{name} gives no scores")
            continue
        if not 0 < (judged.labels == 1).sum() < len(judged):
            return _note(axes, "one class only")
        bins = np.clip((judged.scores * RELIABILITY_BINS).astype(int), 0, RELIABILITY_BINS - 1)
        full = [one for one in range(RELIABILITY_BINS) if (bins == one).sum() >= LEAST_IN_BIN]
        means = [(judged.scores[bins == one].mean(), judged.labels[bins == one].mean()) for one in full]
        label = f"{name}, ECE {calibration_error(judged.labels, judged.scores):.3f}"
        axes.plot(*np.array(means).reshape(-1, 2).T, "o-", color=colour, label=label)
    axes.legend(loc="lower right")


def _scores(axes: Axes, model: tuple[str, Judged]) -> None:
    name, judged = model
    _labelled(axes, f"scores of {name}", "score", "share of the class")
    if judged.scores is None:
        return _note(axes, "it gives no scores")
    highest = 0.0
    for label, (kind, colour) in enumerate(CLASSES):
        scores = judged.scores[judged.labels == label]
        if len(scores):
            counts, edges = np.histogram(scores, BINS, (0, 1))
            shares = counts / len(scores)
            axes.stairs(shares, edges, fill=True, color=colour, alpha=0.55, label=f"{kind}, {len(scores)} rows")
            highest = max(highest, float(shares.max()))
    axes.set_ylim(0, 1.25 * highest)
    axes.legend(loc="upper center")


def _intervals(axes: Axes, sets: Sequence[SetResult], measure: str) -> None:
    axes.set_xlim(-0.02, 1.02)
    axes.grid(axis="x", alpha=0.3)
    axes.set_yticks(range(len(sets)), [each.name for each in sets])
    for place, each in enumerate(sets):
        value = getattr(each.metrics, measure)
        if value is not None:
            low, high = each.intervals[measure]
            axes.plot([low, high], [place, place], color=MODELS[0])
            axes.plot(value, place, "o", color=MODELS[0])
        other = None if each.rival is None else getattr(each.rival.metrics, measure)
        if other is not None:
            axes.plot(other, place, "x", color=MODELS[1])


def _curve(labels: Iterable[int], scores: Scores) -> tuple[Scores, Scores]:
    """Return recall and precision at every distinct score, highest first."""
    order = np.argsort(-scores, kind="stable")
    ranked, truth = scores[order], np.asarray(labels)[order]
    ends = np.flatnonzero(last_of_tie(ranked))
    hits = np.cumsum(truth)[ends]
    return np.append(0.0, hits / hits[-1]), np.append(1.0, hits / (ends + 1))


def _labelled(axes: Axes, title: str, across: str, up: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.grid(alpha=0.3)


def _note(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=GREY)
