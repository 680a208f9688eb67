"""`unigurd check`: one text under one or more policies."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.text import Text

from unigurd_sdk.cli.console import answers
from unigurd_sdk.cli.options import (
    AsJson,
    DeviceOption,
    Model,
    Policies,
    PolicyFiles,
    RoleOption,
    Threshold,
    chosen_policies,
)
from unigurd_sdk.errors import ConfigError
from unigurd_sdk.verdict import Report, Verdict

__all__ = ["check"]


def check(
    text: Annotated[str, typer.Argument(help="The text to check; - reads the standard input.")],
    policy: Policies = None,
    policy_file: PolicyFiles = None,
    role: RoleOption = "user",
    prompt: Annotated[str | None, typer.Option(help="What the user had asked, with --role assistant.")] = None,
    model: Model = "uniguard",
    device: DeviceOption = "auto",
    threshold: Threshold = None,
    as_json: AsJson = False,
) -> None:
    """Check one text. Exit code 0: safe, 1: it violates a policy, 2: it could not be checked."""
    from unigurd_sdk.guard import Guard

    chosen = chosen_policies(policy, policy_file)
    content = _read_stdin() if text == "-" else text
    with Guard.from_pretrained(model, device=device) as guard:
        report = guard.check(content, policies=chosen, role=role, prompt=prompt, threshold=threshold)
    if as_json:
        typer.echo(json.dumps(report.to_dict(), ensure_ascii=False))
    else:
        _show(report)
    raise typer.Exit(1 if report.unsafe else 0)


def _read_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"The standard input is not UTF-8 (byte {error.start}); convert it first.") from error


def _show(report: Report) -> None:
    console = answers()
    width = max(len(name) for name in report)
    for verdict in report.verdicts:
        console.print(_line(verdict, width))


def _line(verdict: Verdict, width: int) -> Text:
    word, style = ("unsafe", "bold red") if verdict.unsafe else ("safe", "green")
    facts = f"score {verdict.score:.3f}  threshold {verdict.threshold:.3f}  {verdict.latency_ms:.1f} ms"
    worst = verdict.windows[0] if verdict.unsafe and len(verdict.windows) > 1 else None
    where = "" if worst is None else f"  characters {worst.start}-{worst.end}"
    why = "" if verdict.error is None else f"  {verdict.error}"
    return Text.assemble((f"{word:<6}", style), f"  {verdict.policy:<{width}}  {facts}{where}{why}")
