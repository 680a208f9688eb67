"""The command `unigurd`: check texts, score files, list policies and checkpoints.

Exit codes, the same for every command:

* 0: done, and nothing violates a policy;
* 1: done, and something violates a policy;
* 2: something could not be done or checked; in `batch`, a bad input line counts as well, and outranks 1.

Every error of the package is one red line on the standard error, without a traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

import unigurd_sdk
from unigurd_sdk.cli.batch import batch
from unigurd_sdk.cli.check import check
from unigurd_sdk.cli.console import complain
from unigurd_sdk.cli.models import models
from unigurd_sdk.cli.policies import policies
from unigurd_sdk.errors import UnigurdError

__all__ = ["app", "main"]

app = typer.Typer(
    name="unigurd",
    help="Does a text violate a policy? Exit code 0: no, 1: yes, 2: it could not be checked.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals hold the checked text
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"unigurd-sdk {unigurd_sdk.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    pass


app.command("check")(check)
app.command("batch")(batch)
app.command("models")(models)
app.add_typer(policies, name="policies")


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line (by default that of this process) and exit with 0, 1 or 2."""
    try:
        app(args=None if args is None else list(args), prog_name="unigurd")
    except UnigurdError as error:
        complain(str(error))
        sys.exit(2)
