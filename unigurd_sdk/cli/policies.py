"""`unigurd policies`: list the shipped policies, or show one as a file to copy."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from unigurd_sdk.cli.console import answers
from unigurd_sdk.cli.options import AsJson
from unigurd_sdk.registry import PolicyRegistry

__all__ = ["policies"]

policies = typer.Typer(help="List the policies that come with the package, or show one.")


@policies.callback(invoke_without_command=True)
def _list(context: typer.Context, as_json: AsJson = False) -> None:
    """List the policies that come with the package; examples are starting points for your own."""
    if context.invoked_subcommand is not None:
        return
    registry = PolicyRegistry()
    if as_json:
        typer.echo(json.dumps([_row(registry, name) for name in registry], ensure_ascii=False))
    else:
        answers().print(_table(registry))


@policies.command("show")
def show(name: Annotated[str, typer.Argument(help="The name of a policy.")], as_json: AsJson = False) -> None:
    """Show a policy as YAML, ready to be saved, changed, and passed with --policy-file."""
    policy = PolicyRegistry()[name]
    typer.echo(policy.model_dump_json() if as_json else policy.to_source(), nl=as_json)


def _row(registry: PolicyRegistry, name: str) -> dict[str, str]:
    policy = registry[name]
    return {
        "name": name,
        "title": policy.title,
        "domain": policy.domain,
        "kind": policy.kind,
        "source": registry.source(name),
        "fingerprint": policy.fingerprint,
    }


def _table(registry: PolicyRegistry) -> Table:
    table = Table(box=None, pad_edge=False)
    columns = ("name", "kind", "domain", "source", "title")
    for column in columns:
        table.add_column(column, no_wrap=column == "name", style="bold" if column == "name" else "")
    for name in registry:
        row = _row(registry, name)
        table.add_row(*(row[column] for column in columns))
    return table
