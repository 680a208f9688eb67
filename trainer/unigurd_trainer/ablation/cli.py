"""The commands `unigurd-train ablate ...`; `app` is added to the trainer's command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Measure what each part of the training is worth.")
console = Console(stderr=True)


@app.command()
def tasks(
    policy: Annotated[list[str], typer.Option(help="Policy of the data folder; may be repeated.")],
    start: Annotated[list[str], typer.Option(help="NAME=START, where START is what `finetune --from` takes.")],
    size: Annotated[list[int], typer.Option(min=0, help="Number of training texts; 0 measures the start.")],
    data: Annotated[Path, typer.Option(envvar="UNIGURD_DATA", help="Folder with the data.", show_default=False)],
    out: Annotated[Path, typer.Option(help="JSON Lines file; finished cells in it are not run again.")],
    mode: Annotated[list[str], typer.Option(help="full, head or output.")] = ["full"],  # noqa: B006
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 1, 2, ... of each cell.")] = 3,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs at most.")] = 8,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves the choice to torch.")] = 0,
) -> None:
    """Fine-tune each start on samples of each size, for each policy: learning curves."""
    import torch

    from unigurd_trainer.ablation.tasks import Plan, run
    from unigurd_trainer.task_recipe import TaskRecipe

    if threads:
        torch.set_num_threads(threads)
    plan = Plan(policy, dict(map(_named, start)), mode, size, range(1, seeds + 1))
    count = run(plan, data, out, TaskRecipe(epochs=epochs), _show)
    console.print(f"{count} cells were missing; all are in {out}")


@app.command()
def curves(
    grid: Annotated[Path, typer.Argument(help="What `ablate tasks` wrote.")],
    out: Annotated[Path, typer.Option(help="Writes OUT.md, OUT.png and OUT.svg.")],
) -> None:
    """Write the tables and the plot of a grid of tasks."""
    from unigurd_trainer.ablation.curves import plot, report
    from unigurd_trainer.ablation.grid import read

    rows = read(grid)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".md").write_text(report(rows), encoding="utf-8")
    plot(rows, out)
    console.print(f"wrote {out}.md, .png and .svg from {len(rows)} cells")


@app.command()
def runs(
    folder: Annotated[Path, typer.Argument(help="Folder with runs NAME-seedN of `unigurd-train gip`.")],
    out: Annotated[Path, typer.Option(help="Writes OUT.json and OUT.md.")],
) -> None:
    """Write the table of pretraining runs, with means over their seeds."""
    from unigurd_trainer.ablation.pretraining import write

    console.print(f"{len(write(folder, out))} runs")


def _named(option: str) -> tuple[str, str]:
    name, found, value = option.partition("=")
    if not found or not value:
        raise typer.BadParameter(f"{option!r} is not NAME=START")
    return name, value


def _show(cell: Mapping[str, Any], measured: Mapping[str, Any]) -> None:
    console.print(json.dumps(dict(cell) | dict(measured)), soft_wrap=True, highlight=False)
