"""`unigurd-train merge`: merges the weights of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(no_args_is_help=True, help="Merge the weights of runs.")
console = Console(stderr=True)


@app.callback()
def options() -> None:
    """Merge the weights of runs."""


@app.command()
def average(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs of one architecture.")],
    out: Annotated[Path, typer.Option(help="Folder to write; `export` and `gip --from` take it for a run.")],
    weight: Annotated[list[float] | None, typer.Option(help="Weight of a run, in their order; default 1.")] = None,
    chain: Annotated[bool, typer.Option(help="The runs started from one another: count their past once.")] = False,
) -> None:
    """Average the last weights of runs: the model soup."""
    from unigurd_trainer.merge.stage import run as stage
    from unigurd_trainer.runs import Run

    shares = weight or [1.0] * len(runs)
    stage([Run.open(folder) for folder in runs], shares, out, steps_once=chain)
    console.print(f"{out}: {len(runs)} runs, weights {', '.join(f'{share:g}' for share in shares)}", highlight=False)
