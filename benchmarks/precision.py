"""What each precision of a checkpoint costs and saves: size, agreement with the model as trained, F1 and AUC.

    python benchmarks/precision.py RUN --data DATA --keep FOLDER [--set pool-dev/hate] [--json out.json]

RUN is the output folder of `unigurd-train gip`. The checkpoints are written to FOLDER/<precision>, where
`latency.py` can time them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Annotated, Any, get_args

import typer

from timing import report
from unigurd_trainer.export_stage import run as export
from unigurd_trainer.measure.evaluate import run as evaluate
from unigurd_trainer.measure.selection import Selection
from unigurd_trainer.precision import Precision


def main(
    run: Annotated[Path, typer.Argument(help="Output folder of `unigurd-train gip`.")],
    data: Annotated[Path, typer.Option(envvar="UNIGURD_DATA", help="Data folder.")],
    keep: Annotated[Path, typer.Option(help="Folder for the checkpoints.")],
    sets: Annotated[list[str], typer.Option("--set", help="Evaluation sets; repeatable.")] = ["pool-dev/hate"],  # noqa: B006
    json: Annotated[Path | None, typer.Option(help="Also write the rows to this file.")] = None,
) -> None:
    """Export a run in every precision and compare."""
    report("Precisions of one run", list(rows(run, data, keep, sets)), json)


def rows(run: Path, data: Path, keep: Path, sets: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Measure one precision after the other."""
    for precision in get_args(Precision):
        exported = export(run, keep / precision, precision=precision)
        results = evaluate(keep / precision, Selection(data, sets))
        yield {
            "precision": precision,
            "MB": sum(entry.bytes for entry in exported.manifest.files.values()) / 1e6,
            "equal verdicts": f"{exported.training.equal:.2%}",
            "worst": f"{exported.training.worst:.3f}",
            "mean": f"{exported.training.mean:.4f}",
            "F1": f"{mean(each.metrics.f1 or 0.0 for each in results.sets):.4f}",
            "AUC": f"{mean(each.metrics.auc or 0.0 for each in results.sets):.4f}",
        }


if __name__ == "__main__":
    typer.run(main)
