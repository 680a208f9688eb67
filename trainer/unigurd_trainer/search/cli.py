"""The commands `merge-search`, `search-tables` and `plot`; `register` adds them to `unigurd-train`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from unigurd_trainer.search.recipe import SearchRecipe
    from unigurd_trainer.search.trial import Trial

__all__ = ["merge_search", "plot", "register", "search_tables"]

console = Console(stderr=True)


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    for command in (merge_search, search_tables, plot):
        app.command()(command)


def merge_search(
    out: Annotated[Path, typer.Option(help="Folder for journal, result and the merged guard; resumes from it.")],
    recipe: Annotated[Path | None, typer.Argument(help="Recipe (TOML); or name candidates.")] = None,
    candidate: Annotated[list[str] | None, typer.Option(help="Run or checkpoint; repeat it.")] = None,
    policy: Annotated[str | None, typer.Option(help="Policy of --data-file: file, built-in name or sentence.")] = None,
    data_file: Annotated[
        Path | None, typer.Option(help="Your labelled texts; only those count that `finetune` held out.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(envvar="UNIGURD_DATA", help="Folder with the data.", show_default=False)
    ] = None,
    method: Annotated[list[str] | None, typer.Option(help="Merge method; repeat it to search for one.")] = None,
    base: Annotated[str | None, typer.Option(help="What the candidates started from.")] = None,
    sampler: Annotated[str | None, typer.Option(help="thompson, random, epsilon-greedy, ucb or tpe.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Trials in all; default 50.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the sampler.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Trials at the same time, each in a process.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves the choice to torch.")] = 0,
    device: Annotated[str, typer.Option(help="Where rows are scored: cpu, cuda or cuda:N.")] = "cpu",
    known: Annotated[
        Path | None, typer.Option(help="Folder of another search of these candidates: they are not measured again.")
    ] = None,
) -> None:
    """Search for the best merge of guards on validation rows: weights, parameters, method (MMS)."""
    import torch

    from unigurd_trainer.search.observers import trial_observer
    from unigurd_trainer.search.stage import run

    if threads:
        torch.set_num_threads(threads)
    own: dict[str, Any] = {
        "candidates": candidate and [{"path": path} for path in candidate],
        "rows": data_file and _rows(data_file, policy),
        "method": method, "base": base, "sampler": sampler, "trials": trials, "seed": seed, "workers": workers,
    }  # fmt: skip
    loaded = _recipe(recipe, {key: value for key, value in own.items() if value is not None})
    told = trial_observer(installed=True)
    columns = (TextColumn("trial {task.completed}/{task.total}"), BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        observe, stages = _progress(bar, loaded.trials)

        def both(trial: Trial) -> None:
            observe(trial)
            told(trial)

        result = run(loaded, data, out, threads=threads, device=device, known=known, observe=both, stages=stages)
    _show(result, out)


def search_tables(
    folders: Annotated[list[Path], typer.Argument(help="Folders of finished searches of equal budgets.")],
    out: Annotated[Path, typer.Option(help="Writes OUT.md and OUT.json.")],
) -> None:
    """Compare searches: each sampler and method, means over seeds with intervals."""
    from unigurd_trainer.search.finished import open_finished
    from unigurd_trainer.search.tables import write

    found = write([open_finished(folder) for folder in folders], out)
    console.print(f"wrote {out}.md and {out}.json: {len(found['series'])} series of {len(folders)} searches")


def plot(
    folders: Annotated[list[Path], typer.Argument(help="Folders of finished searches.")],
    out: Annotated[Path, typer.Option(help="Folder for the plots (PNG and SVG).")],
) -> None:
    """Draw searches: trials, posteriors, weights, F1 by policy."""
    from unigurd_trainer.search.finished import open_finished
    from unigurd_trainer.search.plots import draw_all

    for path in draw_all([open_finished(folder) for folder in folders], out):
        console.print(f"wrote {path}.png and .svg", soft_wrap=True)


def _rows(data_file: Path, policy: str | None) -> dict[str, Any]:
    if policy is None:
        raise typer.BadParameter("--data-file needs --policy: under which policy its texts are judged")
    return {"written": False, "public": False, "files": [{"path": str(data_file), "policy": policy}]}


def _recipe(file: Path | None, changes: Mapping[str, Any]) -> SearchRecipe:
    from pydantic import ValidationError

    from unigurd_trainer.search.recipe import SearchRecipe, read_search

    if file is not None:
        return read_search(file, changes)
    if "candidates" not in changes:
        raise typer.BadParameter("give a recipe, or --candidate at least twice")
    try:
        return SearchRecipe.model_validate(changes)
    except ValidationError as error:
        raise typer.BadParameter("; ".join(each["msg"] for each in error.errors())) from error


def _progress(bar: Progress, total: int) -> tuple[Callable[[Trial], None], Callable[[str], None]]:
    """Return what shows a trial, and what shows what begins."""
    task = bar.add_task("starting", total=total)

    def observe(trial: Trial) -> None:
        took = trial.outcome.merge_seconds + trial.outcome.evaluation_seconds
        bar.update(task, completed=trial.number, description=f"best F1 {trial.best:.4f}, last {trial.estimate:.4f}")
        weights = " ".join(f"{weight:.3f}" for weight in trial.point.weights)
        choices = " ".join(str(value) for _, value in trial.point.choices)
        mark = " *" if trial.improved else " given up" if trial.aborted else ""
        line = f"{trial.number:>3}  F1 {trial.estimate:.4f}{mark}  [{weights}] {choices}  {took:.1f} s"
        bar.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def stages(stage: str) -> None:
        bar.update(task, description=stage)

    return observe, stages


def _show(result: Mapping[str, Any], out: Path) -> None:
    table = Table(title=f"F1 after {result['trials']} trials")
    for head in ("", "search rows", "report rows", "gap"):
        table.add_column(head)
    for name, each in result["references"].items():
        table.add_row(name, f"{each['search']['f1']:.4f}", f"{each['report']['f1']:.4f}", f"{each['gap']:+.4f}")
    console.print(table)
    if result["fallback"]:
        console.print("Nothing beat the best single candidate; it is what comes out.")
    console.print(f"optimism gap {result['gap']:+.4f}: F1 where the search looked, less F1 where it did not")
    console.print(f"merged: {out / 'merged'}, tensors sha256 {result['merged']['sha256']}", soft_wrap=True)
