"""Pretraining runs that differ in one thing each, as a table: what each reached on sets that it did not train on."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unigurd_trainer import markdown
from unigurd_trainer.ablation.intervals import mean_of
from unigurd_trainer.figures import new_figure, save
from unigurd_trainer.runs import Run

__all__ = ["SETS", "plot", "read_runs", "table", "write"]

SETS = ("gip-unseen-policy", "gip-unseen-intent", "gip-unseen-domain", "sdg-dev", "sdg-unseen")

ALL = "all"
"""In the name of a run: no bound on the number of policies."""

_POLICIES = re.compile(rf"^policies-(?P<count>\d+|{ALL})$")
_SEED = re.compile(r"^(?P<name>.+)-seed(?P<seed>\d+)$")


def read_runs(folder: Path) -> list[dict[str, Any]]:
    """Read the finished runs NAME-seedN of a folder: name, seed, examples, seconds and the AUC of each set."""
    rows = []
    for path in sorted(folder.iterdir()):
        named = _SEED.match(path.name)
        if named and (path / "result.json").is_file():
            rows.append({"name": named["name"], "seed": int(named["seed"])} | _reached(Run.open(path)))
    return rows


def table(rows: Iterable[Mapping[str, Any]], names: Sequence[str] | None = None) -> str:
    """Lay out runs by name with means over seeds: AUC of each set, their mean, and examples a second."""
    grouped: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        grouped[row["name"]].append(row)
    columns = [*SETS, "mean"]
    return markdown.table(
        ("run", "seeds", "examples", "examples/s", *columns),
        (
            [name, str(len(grouped[name])), f"{_mean(grouped[name], 'examples'):.0f}", f"{_speed(grouped[name]):.0f}"]
            + [str(mean_of([row["auc"][column] for row in grouped[name]])) for column in columns]
            for name in (names or sorted(grouped))
            if name in grouped
        ),
    )


def _reached(run: Run) -> dict[str, Any]:
    scores = run.result["progress"]["scores"]
    values = {name: scores[f"{name}/auc"] for name in SETS}
    values["mean"] = sum(values.values()) / len(values)
    return {"examples": run.totals["examples"], "cpu_seconds": run.totals["cpu_seconds"], "auc": values}


def _mean(rows: Sequence[Mapping[str, Any]], key: str) -> float:
    return float(sum(row[key] for row in rows)) / len(rows)


def _speed(rows: Sequence[Mapping[str, Any]]) -> float:
    return _mean(rows, "examples") / max(_mean(rows, "cpu_seconds"), 1e-9)


def write(folder: Path, out: Path) -> list[dict[str, Any]]:
    """Read the runs of a folder and write OUT.json, OUT.md and, of runs policies-N, the plot (see `plot`)."""
    rows = read_runs(folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(table(rows), encoding="utf-8")
    if len(_by_policies(rows)) > 1:
        plot(rows, out)
    return rows


def plot(rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Draw the AUC of each set against the number of composed policies; writes OUT.png and OUT.svg."""
    grouped = _by_policies(rows)
    figure = new_figure("Pretraining by number of composed policies, equal examples", 7, 4.8)
    axes, names = figure.subplots(), list(grouped)
    for column in (*SETS, "mean"):
        means = [mean_of([row["auc"][column] for row in grouped[name]]) for name in names]
        halves = [0.0 if math.isnan(mean.half) else mean.half for mean in means]
        axes.errorbar(names, [mean.value for mean in means], yerr=halves, marker="o", capsize=3, label=column)
    axes.set(xlabel="composed policies", ylabel="AUC")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    save(figure, out)


def _by_policies(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Runs by the number in their name, growing; those without a bound come last."""
    found: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if named := _POLICIES.match(row["name"]):
            found[named["count"]].append(row)
    return dict(sorted(found.items(), key=lambda item: math.inf if item[0] == ALL else int(item[0])))
