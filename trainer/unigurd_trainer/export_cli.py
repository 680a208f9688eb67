"""The command `unigurd-train export`; `register` adds it to the trainer's command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from unigurd_trainer.precision import Precision, Weights

__all__ = ["export", "register"]

console = Console(stderr=True)


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command()(export)


def export(
    run: Annotated[Path, typer.Argument(help="Output folder of a finished `unigurd-train gip`.")],
    out: Annotated[Path, typer.Option(help="Checkpoint folder to write.")],
    precision: Annotated[
        Precision, typer.Option(help="int8-weights is a third of the size; int8 is faster, and less exact.")
    ] = "int8-weights",
    name: Annotated[str, typer.Option(help="What the checkpoint calls itself.")] = "uniguard",
    data: Annotated[
        Path | None, typer.Option(envvar="UNIGURD_DATA", help="The run's data folder, to name its sources.")
    ] = None,
    last: Annotated[bool, typer.Option(help="Export the last weights, not those of the best validation.")] = False,
    interim: Annotated[bool, typer.Option(help="Say in the manifest that the model will be replaced.")] = True,
) -> None:
    """Write a trained guard as a checkpoint folder, and say how far it differs from what was trained."""
    from unigurd_trainer.export_stage import run as stage

    with console.status(f"exporting {run} as {precision}"):
        weights: Weights = "last" if last else "best"
        exported = stage(run, out, precision=precision, name=name, data=data, interim=interim, weights=weights)
    size = sum(entry.bytes for entry in exported.manifest.files.values()) / 1e6
    console.print(f"{out}: {size:.1f} MB", highlight=False)
    console.print(f"ONNX and torch: {exported.runtimes}", highlight=False)
    console.print(f"ONNX and the model as trained: {exported.training}", highlight=False)
    if exported.arithmetic is not None:
        console.print(f"int8 and float32 arithmetic: {exported.arithmetic}", highlight=False)
