"""The commands that measure: `evaluate` and `calibrate`; `register` adds them to the trainer's command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["calibrate", "evaluate", "register"]

console = Console(stderr=True)

Data = Annotated[Path, typer.Option(envvar="UNIGURD_DATA", help="Folder with the data.", show_default=False)]
HoldoutSeed = Annotated[int, typer.Option(help="The holdout seed of the training recipe.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 is one per core.")]


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    app.command()(evaluate)
    app.command()(calibrate)


def evaluate(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint: a folder, a bundled name, or one on the Hub.")],
    data: Data,
    out: Annotated[Path | None, typer.Option(help="Results file (JSON); the table goes beside it (.md).")] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="Evaluation set, or the first part of its name; repeatable.")
    ] = None,
    holdout_seed: HoldoutSeed = 0,
    threads: Threads = 0,
) -> None:
    """Measure a checkpoint on what was held out of training and on the benchmarks in DATA/dev."""
    from unigurd_trainer.measure.evaluate import run
    from unigurd_trainer.measure.tables import terminal

    with _progress() as bar:
        task = bar.add_task("reading", total=None)

        def prepared(rows: Mapping[str, int]) -> None:
            bar.update(task, total=sum(rows.values()))

        results = run(
            checkpoint,
            data,
            out,
            sets,
            holdout_seed=holdout_seed,
            threads=threads or None,
            prepared=prepared,
            observe=lambda name, rows: bar.update(task, advance=rows, description=name),
        )
    screen = Console()
    screen.print(terminal(results, screen.width))


def calibrate(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint folder; its guard.json is rewritten.")],
    data: Data,
    most_fpr: Annotated[
        float, typer.Option(min=0, max=1, help="Share of safe texts that a policy's own threshold may flag.")
    ] = 0.05,
    policy_fpr: Annotated[
        list[str] | None, typer.Option(metavar="POLICY=SHARE", help="Another share for a policy; repeatable.")
    ] = None,
    holdout_seed: HoldoutSeed = 0,
    threads: Threads = 0,
) -> None:
    """Fit the temperature and the thresholds of built-in policies, and write them into the checkpoint."""
    from unigurd_trainer.measure.calibrate import run

    with _progress() as bar:
        task = bar.add_task("reading", total=None)
        outcome = run(
            checkpoint,
            data,
            most_fpr=most_fpr,
            policy_fpr=dict(map(_share, policy_fpr or ())),
            holdout_seed=holdout_seed,
            threads=threads or None,
            prepared=lambda rows: bar.update(task, total=rows, description="judging"),
            observe=lambda rows: bar.update(task, advance=rows),
        )
    typer.echo(json.dumps(outcome.to_dict(), indent=1))


def _share(text: str) -> tuple[str, float]:
    """Read "name=0.2"."""
    name, _, share = text.partition("=")
    try:
        return name, float(share)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a policy and a share, as in hate=0.2") from error


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)
