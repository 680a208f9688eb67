"""The commands `baseline`, `baselines` and `nemo-config`; `register` adds them to the trainer's command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from unigurd_trainer.measure.cli import AnyData, HoldoutSeed, Hub, Policies, Rows

if TYPE_CHECKING:
    from unigurd_trainer.baselines.runner import Tally

__all__ = ["baseline", "baselines", "nemo_config", "register"]

INTERRUPTED = 130
console = Console(stderr=True)


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    app.command()(baseline)
    app.command()(baselines)
    app.command("nemo-config")(nemo_config)


def baseline(
    name: Annotated[str, typer.Argument(help="Who is asked; `unigurd-train baselines` lists them.")],
    out: Annotated[Path, typer.Option(help="File of predictions (.jsonl); the same command again goes on in it.")],
    rows: Rows = None,
    hub: Hub = None,
    data: AnyData = None,
    sets: Annotated[
        list[str] | None, typer.Option("--sets", help="Set of the data folder, or its first part; repeatable.")
    ] = None,
    policies: Policies = None,
    option: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="An option of the baseline; repeatable.")
    ] = None,
    endpoint: Annotated[str, typer.Option(help="Base URL of the service.")] = "",
    model: Annotated[str, typer.Option(help="Model: its name at the endpoint, a folder, or one of the Hub.")] = "",
    retry: Annotated[bool, typer.Option("--retry", help="Ask again the rows that got no answer before.")] = False,
    holdout_seed: HoldoutSeed = 0,
) -> None:
    """Have another guard judge rows, as predictions for `evaluate`; API keys come from the environment."""
    from unigurd_trainer.baselines.registry import find_baseline
    from unigurd_trainer.baselines.runner import forget_unanswered, run
    from unigurd_trainer.measure.questions import questions
    from unigurd_trainer.measure.selection import Selection
    from unigurd_trainer.pairs import parse_pairs, typed_options

    found = find_baseline(name)
    values = parse_pairs(option or [], {"endpoint": endpoint, "model": model})
    options = typed_options(found.options, values, f"the baseline {name!r}")
    selection = Selection(data, sets, rows or (), hub or (), policies or (), holdout_seed)
    asked = list(questions(selection.read()))
    unmapped = found.unmapped(options, (each.policy.name for each in asked))
    if unmapped:
        _say(f"any finding counts under {', '.join(unmapped)}")
    if retry:
        _say(f"{forget_unanswered(out)} rows that had no answer are asked again")
    try:
        with _progress() as bar:
            task = bar.add_task(name, total=len(asked))
            tally = run(found, options, asked, out, lambda so_far: bar.update(task, completed=so_far.done))
    except KeyboardInterrupt:
        _say("interrupted; the same command goes on")
        raise typer.Exit(INTERRUPTED) from None
    _say(_summary(tally, out))


def baselines() -> None:
    """List the baselines: what each judges by, the keys it needs, and its options."""
    from unigurd_trainer.baselines.registry import BASELINES

    screen = Console()
    for each in BASELINES.values():
        screen.print(f"[bold]{each.name}[/bold]  {each.title}: {each.reads}", highlight=False, soft_wrap=True)
        needs = [f"key {' or '.join(each.keys)}"] if each.keys else []
        needs += [f"extra {each.extra}"] if each.extra else []
        for line in (*needs, f"options {', '.join(each.options.model_fields)}", each.source):
            screen.print(f"  {line}", highlight=False, soft_wrap=True)


def nemo_config(
    policies: Annotated[list[str], typer.Argument(metavar="POLICY...", help="Policy files, or shipped policies.")],
    out: Annotated[Path, typer.Option(help="Folder for the configurations, one folder for each policy.")],
    model: Annotated[str, typer.Option(help="Main model, which the self-check rails ask.")] = "gpt-4o",
    engine: Annotated[str, typer.Option(help="How NeMo reaches the model.")] = "openai",
) -> None:
    """Write configurations of NeMo Guardrails that check texts against policies, for `nemoguardrails server`."""
    from unigurd_sdk.policy import Policy, is_policy_path
    from unigurd_sdk.registry import PolicyRegistry
    from unigurd_trainer.baselines.nemo_config import write_configs

    shipped = PolicyRegistry()
    loaded = [Policy.from_file(each) if is_policy_path(each) else shipped[each] for each in policies]
    for folder in write_configs(loaded, out, model=model, engine=engine):
        _say(f"wrote {folder}")


def _say(text: str) -> None:
    console.print(escape(text), highlight=False, soft_wrap=True)


def _summary(tally: Tally, out: Path) -> str:
    before = f" ({tally.known} were there)" if tally.known else ""
    verdicts = f"{tally.judged} judged, {tally.flagged} of them unsafe, {tally.invalid} without a verdict"
    return f"{tally.rows} rows{before}: {verdicts}; next: unigurd-train evaluate {out}"


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)
