"""Plots of searches as PNG and SVG: trials over time, posteriors, weights, and F1 by policy (extra `plots`)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unigurd_trainer.figures import new_figure, save
from unigurd_trainer.search.finished import Finished, series_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_all", "draw_policies", "draw_posterior", "draw_trials", "draw_weights"]

GREY = "#888888"

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442")
"""Okabe and Ito's colours, which differ for colour-blind eyes."""

_SQRT3 = float(np.sqrt(3))


def draw_all(finished: Sequence[Finished], out: Path) -> list[Path]:
    """Write the plots of all searches together, and of each its own; returns their paths without suffix."""
    drawn = [draw_trials(finished, out)]
    for each in finished:
        drawn += [draw_weights(each, out), draw_policies(each, out)]
        if _tracks(each):
            drawn.append(draw_posterior(each, out))
    return drawn


def draw_trials(finished: Sequence[Finished], out: Path) -> Path:
    """Each trial's F1, and the best so far: mean over seeds, with a band from the lowest to the highest."""
    figure = new_figure("Merge search", 9, 5)
    axes = figure.subplots()
    for (name, runs), colour in zip(series_of(finished).items(), _cycle(), strict=False):
        count = min(len(run.trials) for run in runs)
        best = np.array([[trial.best for trial in run.trials[:count]] for run in runs])
        across = np.arange(1, count + 1)
        for run in runs:
            f1s = [trial.estimate for trial in run.trials[:count]]
            axes.plot(across, f1s, ".", color=colour, alpha=0.35, markersize=4)
        axes.plot(across, best.mean(0), color=colour, label=f"{name} ({len(runs)} seeds)")
        axes.fill_between(across, best.min(0), best.max(0), color=colour, alpha=0.15)
    axes.axhline(finished[0].f1("single best", "search"), color=GREY, linestyle=":", label="single best")
    _label(axes, "best F1 so far, and each trial", "trial", "F1 on search rows")
    axes.legend(fontsize="small")
    return _saved(figure, out / "trials")


def draw_posterior(one: Finished, out: Path) -> Path:
    """What the sampler had learnt after each trial: expected values by arm."""
    tracks = _tracks(one)
    figure = new_figure(f"{one.folder.name}: {one.series}", 5 * len(tracks), 4.2)
    for axes, (name, arms) in zip(figure.subplots(1, len(tracks), squeeze=False)[0], tracks.items(), strict=True):
        for (arm, values), colour in zip(arms.items(), _cycle(), strict=False):
            axes.plot(np.arange(1, len(values) + 1), values, color=colour, label=arm)
        _label(axes, name, "trial", "expected value")
        axes.legend(fontsize="x-small")
    return _saved(figure, out / f"{_file(one)}-posterior")


def draw_weights(one: Finished, out: Path) -> Path:
    """The weights of every trial: of three candidates on a triangle, of others as a heat map, best trials on top."""
    weights = np.array([trial.point.weights for trial in one.trials])
    f1s = np.array([trial.estimate for trial in one.trials])
    figure = new_figure(f"{one.folder.name}: weights of the trials", 7, 5)
    axes = figure.subplots()
    draw = _triangle if weights.shape[1] == 3 else _heat_map
    draw(figure, axes, weights, f1s, one.candidates)
    return _saved(figure, out / f"{_file(one)}-weights")


def draw_policies(one: Finished, out: Path) -> Path:
    """F1 by policy on the report rows: the best candidate, the first iteration, and what was found."""
    shown = {"single best": COLOURS[5], "iteration 1": COLOURS[4], "search": COLOURS[0]}
    names = sorted(one.policies("search"))
    figure = new_figure(f"{one.folder.name}: F1 by policy on report rows", 2 + 1.2 * len(names), 4.2)
    axes = figure.subplots()
    width = 0.8 / len(shown)
    for place, (reference, colour) in enumerate(shown.items()):
        heights = [one.policies(reference).get(name, 0.0) for name in names]
        axes.bar(np.arange(len(names)) + (place - 1) * width, heights, width, color=colour, label=reference)
    axes.set_xticks(np.arange(len(names)), names, rotation=20, ha="right")
    axes.set_ylim(0, 1.15)
    axes.set_ylabel("F1")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize="small", ncols=len(shown), loc="upper right")
    return _saved(figure, out / f"{_file(one)}-policies")


def _tracks(one: Finished) -> dict[str, dict[str, list[float]]]:
    """Expected values by dimension and arm, one for each trial; of samplers that learn about arms."""
    tracks: dict[str, dict[str, list[float]]] = {}
    if one.recipe.sampler not in ("thompson", "ucb"):
        return tracks
    for trial in one.trials:
        for name, arms in trial.posterior.items():
            for arm, value in _arms(name, arms, one.candidates).items():
                tracks.setdefault(name, {}).setdefault(arm, []).append(_expected(one, value))
    return tracks


def _arms(name: str, arms: Any, candidates: Sequence[str]) -> Mapping[str, Sequence[float]]:  # noqa: ANN401
    return arms if isinstance(arms, Mapping) else dict(zip(candidates, arms, strict=True))


def _expected(one: Finished, value: Sequence[float]) -> float:
    """Of Beta parameters (a, b) the mean; of UCB's (mean, pulls) the mean, where there was a pull."""
    if one.recipe.sampler == "ucb":
        return value[0] if value[1] else float("nan")
    return value[0] / (value[0] + value[1])


def _triangle(
    figure: Figure, axes: Axes, weights: NDArray[np.float64], f1s: NDArray[np.float64], names: Sequence[str]
) -> None:
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, _SQRT3 / 2]])
    axes.plot(*np.vstack([corners, corners[:1]]).T, color=GREY)
    across, up = (weights @ corners).T
    dots = axes.scatter(across, up, c=f1s, cmap="viridis")
    axes.plot(across[f1s.argmax()], up[f1s.argmax()], "o", markersize=14, fillstyle="none", color=COLOURS[1])
    for corner, name, side in zip(corners, names, ("top", "top", "bottom"), strict=True):
        axes.text(corner[0], corner[1], name, ha="center", va=side)
    axes.set_axis_off()
    figure.colorbar(dots, label="F1")


def _heat_map(
    figure: Figure, axes: Axes, weights: NDArray[np.float64], f1s: NDArray[np.float64], names: Sequence[str]
) -> None:
    order = np.argsort(-f1s, kind="stable")
    image = axes.imshow(weights[order], aspect="auto", cmap="viridis", vmin=0)
    axes.set_xticks(range(len(names)), names, rotation=20, ha="right")
    axes.set_ylabel("trials, best first")
    figure.colorbar(image, label="weight")


def _label(axes: Axes, title: str, across: str, up: str) -> None:
    axes.set(title=title, xlabel=across, ylabel=up)
    axes.grid(alpha=0.3)


def _cycle() -> Sequence[str]:
    return COLOURS * 8


def _file(one: Finished) -> str:
    return re.sub(r"[^\w.-]+", "-", one.folder.name)


def _saved(figure: Figure, path: Path) -> Path:
    save(figure, path)
    return path
