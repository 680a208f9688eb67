"""`unigurd batch`: a JSON Lines file under one or more policies."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from unigurd_sdk.cli.batch_input import InputLine, read_lines
from unigurd_sdk.cli.batch_output import BatchOutput
from unigurd_sdk.cli.console import answers, complain, notices
from unigurd_sdk.cli.options import (
    DeviceOption,
    Model,
    Policies,
    PolicyFiles,
    RoleOption,
    Threshold,
    chosen_policies,
)
from unigurd_sdk.errors import InferenceError, LimitExceeded
from unigurd_sdk.registry import PolicyRegistry
from unigurd_sdk.template import Role

if TYPE_CHECKING:
    from rich.console import Console

    from unigurd_sdk.guard import Guard
    from unigurd_sdk.policy import Policy
    from unigurd_sdk.verdict import Report

__all__ = ["batch"]

Source = Annotated[Path, typer.Argument(help="JSON Lines to read.", exists=True, dir_okay=False, readable=True)]
Target = Annotated[Path, typer.Argument(help="JSON Lines to write; continued if it is there.", dir_okay=False)]


def batch(
    source: Source,
    target: Target,
    policy: Policies = None,
    policy_file: PolicyFiles = None,
    text_field: Annotated[str, typer.Option(help="The field that holds the text.")] = "text",
    prompt_field: Annotated[
        str | None, typer.Option(help="The field that holds the user's prompt, with --role assistant.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Lines per call of the model.")] = 64,
    role: RoleOption = "user",
    model: Model = "uniguard",
    device: DeviceOption = "auto",
    threshold: Threshold = None,
) -> None:
    """Check every line of a file; a killed run goes on where it stopped.

    Exit code 0: all safe, 1: some line violates a policy, 2: some line is bad or something failed.
    """
    from unigurd_sdk.guard import Guard

    wanted = chosen_policies(policy, policy_file)
    if source.resolve() == target.resolve():
        raise typer.BadParameter("input and output are the same file", param_hint="TARGET")
    with Guard.from_pretrained(model, device=device) as guard:
        registry = PolicyRegistry(guard.policies.values(), builtin=False)
        run = _Run(guard, [registry.resolve(item) for item in wanted], role, threshold)
        with BatchOutput(target, [policy.name for policy in run.policies]) as output:
            lines = read_lines(source, text_field, prompt_field, after=output.last)
            _process(run, source, lines, batch_size, output)
    _summarise(output)
    raise typer.Exit(output.tally.exit_code)


@dataclass(frozen=True, slots=True)
class _Run:
    """What stays the same from line to line."""

    guard: Guard
    policies: list[Policy]
    role: Role
    threshold: float | None

    def rows(self, lines: Sequence[InputLine]) -> list[dict[str, Any]]:
        """Make one output row per line, in order."""
        results = iter(self._check([line for line in lines if line.error is None]))
        return [_row(line, next(results) if line.error is None else line.error) for line in lines]

    def _check(self, lines: list[InputLine]) -> list[Report | str]:
        """Check lines together; if that fails, in halves, until the error belongs to one line."""
        if not lines:
            return []
        try:
            return [*self._reports(lines)]
        except (InferenceError, LimitExceeded) as error:
            middle = len(lines) // 2
            return [*self._check(lines[:middle]), *self._check(lines[middle:])] if middle else [str(error)]

    def _reports(self, lines: list[InputLine]) -> list[Report]:
        return self.guard.check_batch(
            [line.text for line in lines],
            policies=self.policies,
            role=self.role,
            prompts=[line.prompt for line in lines],
            threshold=self.threshold,
        )


def _row(line: InputLine, result: Report | str) -> dict[str, Any]:
    if isinstance(result, str):
        return {"line": line.number, "error": result}
    return {"line": line.number, **result.to_dict()}


def _process(run: _Run, source: Path, lines: Iterator[InputLine], batch_size: int, output: BatchOutput) -> None:
    console = notices()
    with _progress(console) as progress:
        task = progress.add_task("", total=source.stat().st_size, unsafe=0, bad=0)
        while chunk := list(itertools.islice(lines, batch_size)):
            rows = run.rows(chunk)
            output.write(rows)
            for row in rows:
                if "error" in row:
                    complain(f"{source}:{row['line']}: {row['error']}", console)
            tally = output.tally
            progress.update(task, completed=chunk[-1].end, unsafe=tally.unsafe, bad=tally.bad)


def _progress(console: Console) -> Progress:
    counts = TextColumn("{task.fields[unsafe]} unsafe, {task.fields[bad]} bad")
    columns = (BarColumn(), TaskProgressColumn(), counts, TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _summarise(output: BatchOutput) -> None:
    tally = output.tally
    before = f" ({output.resumed} of them from an earlier run)" if output.resumed else ""
    answers().print(
        f"{tally.total} lines{before}: {tally.safe} safe, {tally.unsafe} unsafe, {tally.bad} bad",
        markup=False,
    )
