"""Rewrite the generated parts of the documentation from the code: ``python docs/generate.py [--check]``.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``. With ``--check`` nothing is
written and the exit status is 1 if a part is out of date.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
RESULTS = DOCS / "results" / "uniguard.json"
PART = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def cli_reference() -> str:
    """Describe every command of `unigurd` with its arguments and options, in the words of its help."""
    from unigurd_sdk.cli import app

    return "\n".join(_command_section(path, command) for path, command in commands(app))


def policy_table() -> str:
    """List the policies that ship with the package."""
    from unigurd_sdk.registry import builtin_policies

    rows = [f"| `{policy.name}` | {policy.title} |" for policy in builtin_policies().values()]
    return "\n".join(["| name | title |", "| --- | --- |", *rows]) + "\n"


def view_table() -> str:
    """List the views of a guard, in their order."""
    from inspect import getdoc

    from unigurd_sdk.views import BUILTIN_VIEWS

    rows = [f"| `{v.name}` | {v.kind} | {(getdoc(v.read) or '').partition('.')[0]} |" for v in BUILTIN_VIEWS]
    return "\n".join(["| view | kind | what it does |", "| --- | --- | --- |", *rows]) + "\n"


def trainer_reference() -> str:
    """Describe every command of `unigurd-train`."""
    from unigurd_trainer.cli import app

    return "\n".join(_command_section(path, command) for path, command in commands(app, "unigurd-train"))


def results_summary() -> str:
    """Show the main measures of the bundled checkpoint, as `unigurd-train evaluate` wrote them."""
    columns = ("rows", "f1", "precision", "recall", "fpr", "auc")
    lines = [
        "| set | rows | F1 | precision | recall | FPR | AUC |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in json.loads(RESULTS.read_text(encoding="utf-8"))["sets"].items():
        lines.append(f"| {name} | {' | '.join(_number(row[column]) for column in columns)} |")
    return "\n".join(lines) + "\n"


def results_file(name: str) -> str:
    """Show the tables that a command wrote to `results/<name>.md`."""
    return (RESULTS.parent / f"{name}.md").read_text(encoding="utf-8")


def benchmark(name: str) -> str:
    """Show the rows that a benchmark wrote to `results/<name>.json`, and the machine."""
    measured = json.loads((RESULTS.parent / f"{name}.json").read_text(encoding="utf-8"))
    rows, machine = measured["rows"], measured["machine"]
    lines = [list(rows[0]), ["---:"] * len(rows[0]), *(map(_cell, row.values()) for row in rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    facts = ", ".join(f"{key} {value}" for key, value in machine.items())
    return f"{table}\n\n{measured['title']}; {facts}.\n"


def hub_sets() -> str:
    """List the data sets of the Hub that `unigurd-train evaluate --hub` knows."""
    from unigurd_trainer.measure.hub.catalogue import CATALOGUE

    lines = ["| name | policy | unsafe and safe | remarks |", "| --- | --- | --- | --- |"]
    for spec in CATALOGUE:
        remarks = [words for words, holds in (("paper", spec.paper), ("gated", spec.gated)) if holds]
        remarks += [f"{kind}: `{source}`" for source, kind in spec.relatives.items()]
        lines.append(f"| `{spec.name}` | `{spec.policy}` | {spec.label.words} | {', '.join(remarks)} |")
    return "\n".join(lines) + "\n"


def baseline_table() -> str:
    """List the baselines that `unigurd-train baseline` knows."""
    from unigurd_trainer.baselines.registry import BASELINES

    lines = ["| name | who | judges by | score | keys |", "| --- | --- | --- | --- | --- |"]
    for each in BASELINES.values():
        keys = " or ".join(f"`{key}`" for key in each.keys).replace(" and ", "` and `")
        lines.append(f"| `{each.name}` | [{each.title}]({each.source}) | {each.reads} | {each.score or '–'} | {keys} |")
    return "\n".join(lines) + "\n"


def baseline_categories() -> str:
    """Show which categories of a baseline stand for which policy."""
    from unigurd_trainer.baselines.llama_guard import TAXONOMIES
    from unigurd_trainer.baselines.registry import BASELINES

    tables = {each.title: each.taxonomy for each in BASELINES.values() if each.taxonomy and each.name != "llama-guard"}
    tables |= {f"Llama Guard {number if number < 3 else '3, 4'}": table for number, table in TAXONOMIES.items()}
    policies = sorted({name for table in tables.values() for name in table.policies})
    lines = [f"| policy | {' | '.join(tables)} |", "| --- |" + " --- |" * len(tables)]
    for policy in policies:
        cells = [", ".join(table.policies.get(policy, ())) or "–" for table in tables.values()]
        lines.append(f"| `{policy}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


PARTS: Mapping[str, Callable[[], str]] = {
    "ablation-gip": partial(results_file, "ablation-gip"),
    "ablation-tasks": partial(results_file, "ablation-tasks"),
    "baselines": baseline_table,
    "baseline-categories": baseline_categories,
    "bench-aims": partial(results_file, "bench"),
    "bench-arithmetic": partial(benchmark, "arithmetic"),
    "bench-arithmetic-times": partial(benchmark, "arithmetic-times"),
    "bench-depth": partial(benchmark, "depth"),
    "bench-documents": partial(benchmark, "documents"),
    "bench-fusion": partial(benchmark, "fusion"),
    "bench-latency": partial(benchmark, "latency"),
    "bench-long-benign": partial(benchmark, "long-benign"),
    "bench-magnitudes": partial(benchmark, "magnitudes"),
    "bench-merging": partial(benchmark, "merging"),
    "bench-peers": partial(benchmark, "peers"),
    "bench-policies": partial(benchmark, "policies"),
    "bench-precision": partial(benchmark, "precision"),
    "bench-precision-latency": partial(benchmark, "precision-latency"),
    "bench-session-options": partial(benchmark, "session-options"),
    "bench-search-trial": partial(benchmark, "search-trial"),
    "bench-second": partial(benchmark, "second"),
    "bench-slopes": partial(benchmark, "slopes"),
    "bench-streaming": partial(benchmark, "streaming"),
    "bench-throughput": partial(benchmark, "throughput"),
    "bench-timeouts": partial(benchmark, "timeouts"),
    "bench-views": partial(benchmark, "views"),
    "bench-views-benign": partial(benchmark, "views-benign"),
    "cli": cli_reference,
    "hub-sets": hub_sets,
    "policies": policy_table,
    "results": partial(results_file, "uniguard"),
    "searches": partial(results_file, "search"),
    "results-multitaskguard": partial(results_file, "multitaskguard"),
    "results-summary": results_summary,
    "trainer": trainer_reference,
    "views": view_table,
}


def commands(app: Any, program: str = "unigurd") -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Yield the full name and the click command of everything that can be run, in the program's own order."""
    import typer

    yield from _runnable(program, typer.main.get_command(app))


def rendered(text: str) -> str:
    """Return a page with every generated part replaced by what the code says now."""
    return PART.sub(lambda match: f"{match[1]}\n{PARTS[match[2]]()}\n{match[3]}", text)


def main(arguments: list[str]) -> int:
    """Write, or with ``--check`` compare, every page that has a generated part."""
    stale = []
    for page in (DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))):
        before = page.read_text(encoding="utf-8")
        after = rendered(before)
        if after != before:
            stale.append(page.name)
            if "--check" not in arguments:
                page.write_text(after, encoding="utf-8")
    if "--check" in arguments and stale:
        sys.stderr.write(f"Out of date: {', '.join(stale)}. Run: make generate\n")
        return 1
    return 0


def _runnable(name: str, command: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    children = getattr(command, "commands", None)
    if children is None or command.invoke_without_command or command.params:
        yield name, command
    for child, subcommand in (children or {}).items():
        yield from _runnable(f"{name} {child}", subcommand)


def _command_section(name: str, command: Any) -> str:  # noqa: ANN401
    rows = [_parameter_row(parameter) for parameter in command.params if not parameter.hidden]
    table = ["| parameter | meaning |", "| --- | --- |", *rows, ""] if rows else []
    return "\n".join([f"### `{name}`", "", _plain(command.help or ""), "", *table])


def _parameter_row(parameter: Any) -> str:  # noqa: ANN401
    names = [*parameter.opts, *parameter.secondary_opts]
    if parameter.param_type_name == "argument":
        names = [name.upper() for name in names]
    meaning = _plain(parameter.help or "").replace("|", "\\|")
    return f"| {', '.join(f'`{name}`' for name in names)} | {meaning} |"


def _number(value: float | None) -> str:
    return "–" if value is None else str(value) if isinstance(value, int) else f"{value:.3f}"


def _cell(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _plain(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
