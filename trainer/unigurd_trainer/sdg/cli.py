"""The commands `sdg`, `sdg-lint` and `sdg-policies`; `register` adds them to the trainer's command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from unigurd_sdk.policy import Policy, is_policy_path
from unigurd_sdk.policy_file import SUFFIXES
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.sdg.arguments import parse_generator

if TYPE_CHECKING:
    from unigurd_trainer.report.measure import Report
    from unigurd_trainer.sdg.embedding import Embedder
    from unigurd_trainer.sdg.linter import Finding

__all__ = ["register", "sdg", "sdg_lint", "sdg_policies"]

INTERRUPTED = 130
console = Console(stderr=True)

PolicyFile = Annotated[str, typer.Argument(metavar="POLICY", help="Policy file (YAML or TOML), or a shipped policy.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder to write; the same command again goes on in it.")]
Seed = Annotated[int, typer.Option(help="Same seed, same plan.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 is one per core.")]
Form = Annotated[Literal["jsonl", "parquet"], typer.Option("--format", help="Form of the shards.")]
Semantic = Annotated[bool, typer.Option(help="Also compare meanings, with the encoder of the bundled guard.")]
Llm = "With an LLM"
Offline = "Without one"
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="An option of the generator; repeatable.")
]
Endpoint = Annotated[str, typer.Option(help="Base URL of an OpenAI-compatible API.", rich_help_panel=Llm)]
Model = Annotated[str, typer.Option(help="Model at the endpoint.", rich_help_panel=Llm)]
Concurrency = Annotated[int | None, typer.Option(min=1, help="Requests at a time.", rich_help_panel=Llm)]


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    app.command("sdg")(sdg)
    app.command("sdg-lint")(sdg_lint)
    app.command("sdg-policies")(sdg_policies)


def sdg(
    policy: PolicyFile,
    out: Out,
    count: Annotated[int, typer.Option("--count", "-n", min=2, help="Samples to make, half of them unsafe.")] = 300,
    offline: Annotated[bool, typer.Option("--offline", help="Draw on packaged texts, without an LLM.")] = False,
    generator: Annotated[str, typer.Option(help="A generator of a plugin, by name.")] = "",
    option: Set = None,
    endpoint: Endpoint = "",
    model: Model = "",
    concurrency: Concurrency = None,
    augment: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of texts whose form is changed.", rich_help_panel=Offline),
    ] = None,
    referee: Annotated[
        float | None,
        typer.Option(
            min=0, max=0.9, help="Share dropped because the guard disagrees; 0 asks none.", rich_help_panel=Offline
        ),
    ] = None,
    dev_share: Annotated[float, typer.Option(min=0, max=0.5, help="Share that goes to dev, by group.")] = 0.1,
    dedup: Annotated[bool, typer.Option(help="Drop duplicates.")] = True,
    form: Form = "jsonl",
    seed: Seed = 0,
    threads: Threads = 0,
) -> None:
    """Make a labelled data set for a policy, with its card and report."""
    from unigurd_trainer.sdg.run import SdgSettings, run

    loaded = _policy(policy)
    if not (offline or endpoint or generator):
        raise RecipeError("Say where the data come from: --offline, or --endpoint URL --model NAME.")
    given = {"endpoint": endpoint, "model": model, "concurrency": concurrency, "augment": augment, "referee": referee}
    if offline:
        given["threads"] = threads or None
    chosen, options = parse_generator(generator or ("offline" if offline else "llm"), option or [], given)
    settings = SdgSettings(count=count, seed=seed, dev_share=dev_share, deduplicate=dedup, form=form)
    with _resumable(out), _progress() as bar:
        task = bar.add_task("starting", total=count)

        def observe(step: str, done: int) -> None:
            bar.update(task, description=step, completed=done)

        embedder = _embedder(True, threads)
        result = run(loaded, chosen, settings, out, options=options, embedder=embedder, observe=observe, present=_show)
    _show_result(result, out)


def sdg_lint(policy: PolicyFile, semantic: Semantic = True, threads: Threads = 0) -> None:
    """Look for what will confuse a generator or a guard in a policy; exit code 1 if there are errors."""
    from unigurd_trainer.sdg.linter import lint

    findings = lint(_policy(policy), _embedder(semantic, threads))
    lines = _line_numbers(policy, findings)
    for finding, place in zip(findings, lines, strict=True):
        colour = "red" if finding.severity == "error" else "yellow"
        head = f"[{colour}]{finding.severity}[/{colour}] {escape(f'[{finding.code}]')} {escape(place)}"
        console.print(f"{head}: {escape(finding.message)}", highlight=False, soft_wrap=True)
    errors = sum(finding.severity == "error" for finding in findings)
    console.print(f"{errors} errors, {len(findings) - errors} warnings", highlight=False)
    if errors:
        raise typer.Exit(1)


def sdg_policies(
    out: Out,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Policies to make.")] = 1000,
    texts: Annotated[int, typer.Option(min=0, help="Labelled texts for each; 0 is none.")] = 0,
    form: Form = "jsonl",
    offline: Annotated[bool, typer.Option("--offline", help="Compose from packaged intents; the default.")] = False,
    endpoint: Endpoint = "",
    model: Model = "",
    concurrency: Concurrency = None,
    like: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            help="Policy file, or folder of them, to show as examples; repeatable. By default the shipped policies.",
            rich_help_panel=Llm,
        ),
    ] = None,
    option: Set = None,
    seed: Seed = 0,
) -> None:
    """Make new policies, no two alike, and texts for each if asked."""
    from unigurd_trainer.sdg.policy_writing import write_llm_policies

    flags = {"endpoint": endpoint, "model": model, "concurrency": concurrency}
    given = [f"--{name}" for name, value in {**flags, "set": option, "like": like}.items() if value]
    if given and (offline or not endpoint):
        raise RecipeError(f"{given[0]} is for an LLM: name --endpoint and --model, and leave --offline out.")
    options: Any = parse_generator("llm", option or [], {"reflection_rounds": 1, **flags})[1] if endpoint else None
    with _resumable(out), _progress() as bar:
        observe = partial(_advance, bar, bar.add_task("writing" if endpoint else "composing", total=count))
        if options is None:
            result = _compose_policies(count, out, texts=texts, seed=seed, form=form, observe=observe)
        else:
            seeds = _seeds(like or [])
            result = write_llm_policies(count, out, options, seeds, texts=texts, seed=seed, form=form, observe=observe)
    console.print_json(data=result)


def _compose_policies(
    count: int, out: Path, *, texts: int, seed: int, form: str, observe: Callable[[int], None]
) -> dict[str, Any]:
    from unigurd_trainer.sdg.packaged import bundled
    from unigurd_trainer.sdg.policies import ComposedSource, write_policies

    source = ComposedSource(bundled(), texts=texts, seed=seed)
    return write_policies(source, count, out, identity=source.identity, form=form, observe=observe)


def _seeds(places: Sequence[Path]) -> list[Policy]:
    """Read the policies at paths, a folder's by name; without paths, the shipped ones."""
    from unigurd_sdk.registry import builtin_policies

    inside = [sorted(place.iterdir()) if place.is_dir() else [place] for place in places]
    files = [path for paths in inside for path in paths if path.suffix in SUFFIXES]
    if places and not files:
        raise RecipeError(f"There is no policy file ({', '.join(SUFFIXES)}) at {', '.join(map(str, places))}.")
    return [Policy.from_file(path) for path in files] or [*builtin_policies().values()]


def _advance(bar: Progress, task: TaskID, done: int) -> None:
    bar.update(task, completed=done)


def _policy(name: str) -> Policy:
    """Read a policy file, or find a shipped policy."""
    from unigurd_sdk.registry import PolicyRegistry

    return Policy.from_file(name) if is_policy_path(name) else PolicyRegistry()[name]


def _embedder(semantic: bool, threads: int) -> Embedder | None:
    if not semantic:
        return None
    from unigurd_trainer.sdg.embedding import GuardEmbedder

    return GuardEmbedder.bundled(threads=threads or None)


def _line_numbers(policy: str, findings: Sequence[Finding]) -> list[str]:
    """Return where each finding stands: file and lines where the policy is a file, else its fields."""
    if not is_policy_path(policy):
        return [", ".join(finding.lines) for finding in findings]
    from unigurd_sdk.policy_file import read_document

    document = read_document(Path(policy))
    return [", ".join(_place(policy, document.line_of(line), line) for line in finding.lines) for finding in findings]


def _place(file: str, line: int | None, location: str) -> str:
    return f"{file} {location}" if line is None else f"{file}:{line} {location}"


def _show(report: Report) -> None:
    from unigurd_trainer.report.terminal import terminal

    Console().print(terminal(report))


def _show_result(result: dict[str, Any], out: Path) -> None:
    for finding in result["lint"]:
        console.print("[yellow]policy[/yellow]", escape(finding), highlight=False, soft_wrap=True)
    for row in result["statistics"].get("coverage", ()):
        mark = "[green]near[/green]" if row["covered"] else "[red]far [/red]"
        figures = f"{row['near']:4d} texts, best {row['best']:.2f}"
        console.print(
            f"{mark} {figures}  {escape(row['behaviour'])} ({row['listed']})", highlight=False, soft_wrap=True
        )
    for warning in result["warnings"]:
        console.print("[yellow]warning:[/yellow]", escape(warning), highlight=False, soft_wrap=True)
    counts = ", ".join(f"{name} {sum(rows.values())}" for name, rows in result["rows"].items())
    console.print(f"{counts} rows in {result['seconds']} s: {escape(str(out))}", highlight=False, soft_wrap=True)
    console.print(f"read next: {escape(str(out / 'report.html'))}, {escape(str(out / 'card.md'))}", highlight=False)


@contextmanager
def _resumable(out: Path) -> Iterator[None]:
    """Turn Ctrl-C into one line and exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        console.print(f"interrupted; the same command goes on in {escape(str(out))}", highlight=False)
        raise typer.Exit(INTERRUPTED) from None


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)
