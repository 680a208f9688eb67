"""`unigurd-train`: reads arguments and shows progress; each stage is a function of its own module."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from unigurd_sdk.errors import UnigurdError
from unigurd_trainer import export_cli, finetune_cli
from unigurd_trainer.ablation import cli as ablation_cli
from unigurd_trainer.baselines import cli as baselines_cli
from unigurd_trainer.measure import cli as measure_cli
from unigurd_trainer.merge import cli as merge_cli
from unigurd_trainer.report import cli as report_cli
from unigurd_trainer.sdg import cli as sdg_cli
from unigurd_trainer.search import cli as search_cli

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Train, evaluate and export guards.")
console = Console(stderr=True)

Data = Annotated[Path, typer.Option(envvar="UNIGURD_DATA", help="Folder with the training data.", show_default=False)]
Out = Annotated[Path, typer.Option(help="Folder for state, logs and weights; an interrupted run resumes from it.")]
Threads = Annotated[int, typer.Option(help="CPU threads; 0 leaves the choice to torch.")]


@app.callback()
def options(verbose: Annotated[bool, typer.Option(help="Log what the library does.")] = False) -> None:
    """Set up logging."""
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING)


@app.command()
def gip(
    recipe: Annotated[Path, typer.Argument(help="Recipe (TOML).")],
    data: Data,
    out: Out,
    threads: Threads = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare batches ahead.")] = 0,
    parts: Annotated[int, typer.Option(min=1, help="Parts that a step is computed in, to save memory.")] = 1,
    start: Annotated[str | None, typer.Option("--from", help="Run or checkpoint whose weights to start from.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed than the recipe's.", show_default=False)] = None,
    tensorboard: Annotated[bool, typer.Option(help="Also log to OUT/tensorboard.")] = False,
) -> None:
    """Pretrain a MultiTaskGuard on composed, written and public policies (GIP)."""
    from unigurd_trainer import gip as stage
    from unigurd_trainer.compute import Compute
    from unigurd_trainer.observers import fan_out, tensorboard_observer
    from unigurd_trainer.origins import find_origin
    from unigurd_trainer.recipe import load_recipe
    from unigurd_trainer.team import join

    loaded = load_recipe(recipe) if seed is None else load_recipe(recipe, seed=seed)
    compute = Compute(device, workers, parts, join(cpu=device == "cpu"))
    _set_threads(threads)
    columns = (
        TextColumn("step {task.completed}/{task.total}"),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not compute.team.leads) as bar:
        task = bar.add_task("starting", total=loaded.steps)
        observers = [lambda record: _show(bar, task, record)]
        if tensorboard:
            observers.append(tensorboard_observer(out / "tensorboard"))
        first = None if start is None else find_origin(start)
        result = stage.run(loaded, data, out, fan_out(observers), compute=compute, start=first)
    if compute.team.leads:
        console.print_json(json.dumps(result))


finetune_cli.register(app)
export_cli.register(app)
measure_cli.register(app)
baselines_cli.register(app)
sdg_cli.register(app)
search_cli.register(app)
app.add_typer(merge_cli.app, name="merge")
app.add_typer(report_cli.app, name="data")
app.add_typer(ablation_cli.app, name="ablate")


@app.command()
def card(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint folder.")],
    results: Annotated[Path, typer.Option(help="Results file that `evaluate` wrote for this checkpoint.")],
) -> None:
    """Write the model card of a checkpoint from its manifest and its measured results."""
    from unigurd_trainer.measure.card import write_card

    console.print(f"wrote {write_card(checkpoint, results)}")


def _show(bar: Progress, task: TaskID, record: dict[str, Any]) -> None:
    if "verdict_loss" in record:
        text = f"loss {record['verdict_loss']:.3f}, {record['examples_per_second']:.0f} examples/s"
        bar.update(task, completed=record["step"], description=text)
    else:
        bar.console.print(json.dumps(record), soft_wrap=True)


def _set_threads(threads: int) -> None:
    if threads:
        import torch

        torch.set_num_threads(threads)


def main() -> None:
    """Run the command line; an error of ours is one line on stderr and exit code 2."""
    try:
        app()
    except UnigurdError as error:
        console.print("[red]error:[/red]", escape(str(error)), highlight=False, soft_wrap=True)
        sys.exit(2)
