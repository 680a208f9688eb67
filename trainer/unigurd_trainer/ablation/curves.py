"""Learning curves from a grid of tasks: tables by size, overall and by policy, and their plot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from unigurd_trainer import markdown
from unigurd_trainer.ablation.intervals import Mean, mean_of
from unigurd_trainer.figures import new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Curves", "contrasts", "curves", "plot", "policy_groups", "report", "table"]

Curves = dict[str, dict[int, Mean]]
"""By series (start and mode) and size."""

LEFTMOST = 20
"""Where a logarithmic axis shows size 0."""

MARGIN = 0.06

MEASURES = {"auc": "AUC", "f1": "F1 at .5", "fpr": "FPR at .5"}


def curves(rows: Iterable[Mapping[str, Any]], measure: str, policies: Sequence[str] | None = None) -> Curves:
    """Average a measure over policies for each seed, then over seeds with an interval.

    A series has a size only with every policy, so that points are of the same policies; the policies of a size 0 start
    every mode of their series.
    """
    values: defaultdict[tuple[str, str, int], dict[int, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        cell = row["cell"]
        if policies is None or cell["policy"] in policies:
            key = cell["start"], cell["mode"], cell["size"]
            values[key][cell["seed"]][cell["policy"]] = row["measured"][measure]
    wanted = max((len(by_policy) for seeds in values.values() for by_policy in seeds.values()), default=0)
    found: Curves = defaultdict(dict)
    for (start, mode, size), seeds in values.items():
        whole = [fmean(by_policy.values()) for by_policy in seeds.values() if len(by_policy) == wanted]
        if whole:
            found[f"{start}, {mode}"][size] = mean_of(whole)
    return dict(found)


def policy_groups(rows: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """Group policies by the sizes that they have texts for: all, then those with larger samples, and so on."""
    by_size: defaultdict[int, set[str]] = defaultdict(set)
    for row in rows:
        by_size[row["cell"]["size"]].add(row["cell"]["policy"])
    groups = {frozenset(policies) for policies in by_size.values()}
    return sorted((sorted(group) for group in groups), key=lambda group: (-len(group), group))


def table(found: Curves) -> str:
    """Lay out series by size as Markdown."""
    sizes = sorted({size for series in found.values() for size in series})
    rows = ([name, *(str(series.get(size, "–")) for size in sizes)] for name, series in sorted(found.items()))
    return markdown.table(("start, what trains", *map(str, sizes)), rows)


def plot(rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Draw AUC and F1 against the number of training texts, with bands; writes OUT.png and OUT.svg.

    Each group of policies has a row of its own.
    """
    groups = policy_groups(rows)
    figure = new_figure("TaskGuard and MultiTaskGuard by number of training texts", 12, 4.6 * len(groups))
    panels = figure.subplots(len(groups), 2, squeeze=False)
    for group, pair in zip(groups, panels, strict=True):
        for axes, measure in zip(pair, ("auc", "f1"), strict=True):
            found = curves(rows, measure, group)
            for name, series in sorted(found.items()):
                _draw(axes, name, series)
            axes.set_ylim(*_around(found))
            axes.set(xscale="log", xlabel="training texts (leftmost: none)", ylabel=MEASURES[measure])
            axes.set_title(", ".join(group), fontsize="small")
            axes.grid(alpha=0.3)
            axes.legend(fontsize="small")
    save(figure, out)


def _around(found: Curves) -> tuple[float, float]:
    """Bounds of an axis that holds all means; the bands of few seeds are wider than what can be."""
    means = [mean.value for series in found.values() for mean in series.values()]
    return max(0.0, min(means) - MARGIN), min(1.0, max(means) + MARGIN)


def _draw(axes: Axes, name: str, series: Mapping[int, Mean]) -> None:
    sizes = sorted(series)
    across = [max(size, LEFTMOST) for size in sizes]
    means = np.array([series[size].value for size in sizes])
    halves = np.nan_to_num([series[size].half for size in sizes])
    (line,) = axes.plot(across, means, marker="o", label=name)
    axes.fill_between(across, means - halves, means + halves, alpha=0.15, color=line.get_color())


def contrasts(rows: Iterable[Mapping[str, Any]], measure: str) -> Curves:
    """Difference of each two series that have the start or the mode in common, paired by policy.

    Means over seeds are taken first; the interval is over policies, so that it says what another policy may show. For
    each size those policies count that both series have.
    """
    values: defaultdict[tuple[str, str], dict[tuple[int, str], list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        cell = row["cell"]
        values[cell["start"], cell["mode"]][cell["size"], cell["policy"]].append(row["measured"][measure])
    found: Curves = {}
    for (one, first), (other, second) in combinations(sorted(values.items()), 2):
        if one[0] == other[0] or one[1] == other[1]:
            found[f"{', '.join(one)} less {', '.join(other)}"] = _paired(first, second)
    return {name: series for name, series in found.items() if series}


def _paired(
    first: Mapping[tuple[int, str], Sequence[float]], second: Mapping[tuple[int, str], Sequence[float]]
) -> dict[int, Mean]:
    by_size: defaultdict[int, list[float]] = defaultdict(list)
    for size, policy in sorted(first.keys() & second.keys()):
        by_size[size].append(fmean(first[size, policy]) - fmean(second[size, policy]))
    return {size: mean_of(values) for size, values in by_size.items()}


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write the tables: each measure over each group of policies, differences, and the AUC of each policy."""
    parts = [
        f"{label}, mean over {', '.join(group)}:\n\n{table(curves(rows, measure, group))}"
        for group in policy_groups(rows)
        for measure, label in MEASURES.items()
    ]
    for measure in ("auc", "f1"):
        parts.append(
            f"{MEASURES[measure]}, differences, with intervals over policies:\n\n{table(contrasts(rows, measure))}"
        )
    policies = sorted({row["cell"]["policy"] for row in rows})
    parts += [f"AUC, {policy}:\n\n{table(curves(rows, 'auc', [policy]))}" for policy in policies]
    return "\n".join(parts)
