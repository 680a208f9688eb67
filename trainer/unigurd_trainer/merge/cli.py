"""`unigurd-train merge`: merges the weights of runs and checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(no_args_is_help=True, help="Merge the weights of runs and checkpoints.")
console = Console(stderr=True)


@app.callback()
def options() -> None:
    """Merge the weights of runs and checkpoints."""


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


@app.command()
def apply(
    recipe: Annotated[Path, typer.Argument(help="Recipe (TOML): candidates, weights, method and its options.")],
    out: Annotated[Path, typer.Option(help="Folder to write: a run if all candidates are runs, else a checkpoint.")],
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves the choice to torch.")] = 0,
) -> None:
    """Merge runs or checkpoints by a recipe; the same inputs give the same weights, bit for bit."""
    import torch

    from unigurd_trainer.merge.apply import run as stage
    from unigurd_trainer.merge.recipe import MergeRecipe
    from unigurd_trainer.recipe import read_recipe

    if threads:
        torch.set_num_threads(threads)
    loaded = read_recipe(recipe, MergeRecipe)
    with console.status(f"merging {len(loaded.candidates)} models by {loaded.method}"):
        result = stage(loaded, out)
    for candidate in result["candidates"]:
        console.print(f"{candidate['weight']:.4f} {candidate['name']}", highlight=False, soft_wrap=True)
    console.print(f"{out / result['file']}: sha256 {result['file_sha256']}", highlight=False, soft_wrap=True)
    console.print(f"merged tensors: sha256 {result['sha256']}", highlight=False, soft_wrap=True)
