"""Pretraining runs that differ in one thing each, as a table: what each reached on sets that it did not train on."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unigurd_trainer import markdown
from unigurd_trainer.ablation.intervals import mean_of
from unigurd_trainer.runs import Run

__all__ = ["SETS", "read_runs", "table"]

SETS = ("gip-unseen-policy", "gip-unseen-intent", "gip-unseen-domain", "sdg-dev", "sdg-unseen")

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
    """Read the runs of a folder and write OUT.json and OUT.md."""
    rows = read_runs(folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(table(rows), encoding="utf-8")
    return rows
