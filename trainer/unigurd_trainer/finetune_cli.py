"""The command `unigurd-train finetune`; `register` adds it to the trainer's command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from unigurd_trainer.precision import Precision

__all__ = ["finetune", "register"]

console = Console(stderr=True)


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command()(finetune)


def finetune(
    policy: Annotated[str, typer.Option(help="Policy file, built-in name, or a sentence.")],
    data: Annotated[Path, typer.Option(help="Folder, or file (JSON Lines or Parquet): text and label of each row.")],
    out: Annotated[Path, typer.Option(help="Checkpoint folder to write; OUT.run beside it holds the state.")],
    start: Annotated[str, typer.Option("--from", help="Checkpoint, run, `base` or `base:ENCODER`.")] = "uniguard",
    mode: Annotated[
        Literal["full", "head", "output"], typer.Option(help="Train all weights, the head, or its last layer.")
    ] = "full",
    balance: Annotated[
        Literal["even", "natural"], typer.Option(help="As many safe as unsafe texts a step, or as the data have them.")
    ] = "even",
    noise: Annotated[float, typer.Option(min=0, max=0.49, help="Share of labels that may be wrong.")] = 0.0,
    plain: Annotated[bool, typer.Option(help="Read the text alone; the policy only names the task.")] = False,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs at most.")] = 8,
    seed: Annotated[int, typer.Option(help="Order of the texts, and which measure where no row says so.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves the choice to torch.")] = 0,
    precision: Annotated[Precision, typer.Option(help="Form of the written weights.")] = "int8-weights",
) -> None:
    """Train a TaskGuard: a checkpoint for one policy, from its labelled texts."""
    import torch

    from unigurd_sdk.registry import PolicyRegistry
    from unigurd_trainer.compute import Compute
    from unigurd_trainer.finetune import TaskRecipe, run
    from unigurd_trainer.starts import find_start
    from unigurd_trainer.taskdata import read_task

    if threads:
        torch.set_num_threads(threads)
    recipe = TaskRecipe(mode=mode, epochs=epochs, seed=seed, balance=balance, plain=plain, noise=noise)
    with console.status("fine-tuning"):
        result = run(
            PolicyRegistry().resolve(policy),
            read_task(data, seed=seed),
            find_start(start, seed=seed),
            out,
            recipe=recipe,
            compute=Compute(device),
            precision=precision,
            observe=_show,
        )
    console.print(_table(result))
    console.print(f'{out}: use it with Guard.from_pretrained("{out}").check(text, policy="{policy}")', soft_wrap=True)


def _show(record: dict[str, Any]) -> None:
    if "score" in record:
        console.print(f"step {record['step']}: AUC {record['score']:.3f} on the held-out texts", highlight=False)


def _table(result: Mapping[str, Any]) -> Table:
    rows = result["rows"]
    table = Table(title=f"{result['policy']}: {rows['train']} texts trained, {rows['dev']} held out")
    for head in ("", "AUC", "F1", "FPR", "threshold"):
        table.add_column(head)
    for name in ("before", "after"):
        table.add_row(name, *(f"{result[name][key]:.3f}" for key in ("auc", "f1", "fpr", "threshold")))
    return table
