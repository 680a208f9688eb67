"""The commands that measure or calibrate checkpoints; `register` adds them to the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["calibrate", "evaluate", "questions", "register", "windows"]

console = Console(stderr=True)

Data = Annotated[Path, typer.Option(envvar="UNIGURD_DATA", help="Folder with the data.", show_default=False)]
AnyData = Annotated[
    Path | None, typer.Option(envvar="UNIGURD_DATA", help="Folder with the data, for --set.", show_default=False)
]
Sets = Annotated[
    list[str] | None, typer.Option("--set", help="Set of the data folder, or the first part of its name; repeatable.")
]
Rows = Annotated[list[Path] | None, typer.Option("--rows", help="File or folder of rows to measure on; repeatable.")]
Hub = Annotated[
    list[str] | None,
    typer.Option("--hub", metavar="NAME[@REVISION]", help="Data set of the Hub, or `paper` for seven; repeatable."),
]
Policies = Annotated[list[Path] | None, typer.Option("--policies", help="File of policies that rows name; repeatable.")]
HoldoutSeed = Annotated[int, typer.Option(help="The holdout seed of the training recipe.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 is one per core.")]


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    app.command()(evaluate)
    app.command()(questions)
    app.command()(calibrate)
    app.command()(windows)


def evaluate(
    system: Annotated[
        str,
        typer.Argument(help="Checkpoint (a folder, a bundled name, one on the Hub) or predictions (JSON Lines)."),
    ],
    data: AnyData = None,
    out: Annotated[Path | None, typer.Option(help="Results file (JSON); the tables go beside it (.md).")] = None,
    sets: Sets = None,
    rows: Rows = None,
    hub: Hub = None,
    policies: Policies = None,
    against: Annotated[
        str | None, typer.Option(help="Another checkpoint or predictions: report the difference from it.")
    ] = None,
    threshold: Annotated[
        str, typer.Option(metavar="RULE", help="checkpoint (its own), fixed[=0.5], or fpr[=0.01] on other safe rows.")
    ] = "checkpoint",
    calibrate_on: Annotated[
        list[Path] | None, typer.Option(help="File of rows for the rule fpr; else a half of --data; repeatable.")
    ] = None,
    missing: Annotated[
        Literal["refuse", "wrong"], typer.Option(help="What rows without a prediction are: an error, or wrong.")
    ] = "refuse",
    keep: Annotated[
        Path | None, typer.Option(help="File (.jsonl) for the checkpoint's answers; a rerun continues from it.")
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for plots (PNG and SVG) of every set.")] = None,
    latency: Annotated[
        int, typer.Option(min=0, help="Time so many safe and so many unsafe texts of each set, one at a time.")
    ] = 0,
    resamples: Annotated[int, typer.Option(min=1, help="Resamples of the bootstrap.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    holdout_seed: HoldoutSeed = 0,
    threads: Threads = 0,
) -> None:
    """Measure a checkpoint or predictions on sets of the data folder, files of rows, or data sets of the Hub."""
    from unigurd_trainer.measure.evaluate import Options, run
    from unigurd_trainer.measure.selection import Selection
    from unigurd_trainer.measure.tables import terminal
    from unigurd_trainer.measure.thresholds import Rule

    options = Options(
        rule=Rule.parse(threshold),
        calibrate_on=calibrate_on or (),
        against=against,
        missing=missing,
        latency=latency,
        resamples=resamples,
        seed=seed,
        keep=keep,
        plots=plots,
        threads=threads or None,
    )
    selection = Selection(data, sets, rows or (), hub or (), policies or (), holdout_seed)
    with _progress() as bar:
        task = bar.add_task("reading", total=None)
        results = run(
            system,
            selection,
            out,
            options,
            prepared=lambda total: bar.update(task, total=total),
            observe=lambda name, judged: bar.update(task, advance=judged, description=name),
        )
    screen = Console()
    screen.print(terminal(results, screen.width))


def questions(
    out: Annotated[Path, typer.Option(help="File for the questions (JSON Lines).")],
    data: AnyData = None,
    sets: Sets = None,
    rows: Rows = None,
    hub: Hub = None,
    policies: Policies = None,
    holdout_seed: HoldoutSeed = 0,
) -> None:
    """Write what `evaluate` would ask, without the labels, for a model that answers elsewhere."""
    from unigurd_trainer.measure.questions import write_questions
    from unigurd_trainer.measure.selection import Selection

    selection = Selection(data, sets, rows or (), hub or (), policies or (), holdout_seed)
    console.print(f"wrote {write_questions(selection.read(), out)} questions to {out}")


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


def windows(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint folder.")],
    length: Annotated[int | None, typer.Option(min=16, help="Tokens of a window, special ones included.")] = None,
    overlap: Annotated[int | None, typer.Option(min=0, help="Tokens that two windows of a text share.")] = None,
    close_length: Annotated[int | None, typer.Option(min=0, help="Tokens of a close window; 0 reads none.")] = None,
    slope: Annotated[float | None, typer.Option(min=0, help="What log(windows) takes off the worst logit.")] = None,
    most: Annotated[float | None, typer.Option(min=0, help="The most that is taken off.")] = None,
) -> None:
    """Set how a checkpoint reads texts of several windows; without options, print it."""
    from unigurd_trainer.measure.windows import set_windows

    close = {"close_length": close_length, "window_slope": slope, "window_most": most}
    manifest = set_windows(checkpoint, max_length=length, overlap=overlap, **close)
    fields = ("max_length", "overlap", "close_length", "close_above", "window_slope", "window_most")
    console.print_json(json.dumps({name: getattr(manifest, name) for name in fields}))
