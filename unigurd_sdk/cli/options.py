"""The options that several commands share, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unigurd_sdk.runtime import Device
from unigurd_sdk.template import Role

Policies = Annotated[
    list[str] | None,
    typer.Option("--policy", "-p", help="A policy: name, plain sentence, or YAML/TOML file. May be repeated."),
]
PolicyFiles = Annotated[
    list[Path] | None,
    typer.Option("--policy-file", "-f", help="A YAML or TOML file with a policy. May be repeated."),
]
RoleOption = Annotated[Role, typer.Option("--role", help="What the text is.")]
Model = Annotated[str, typer.Option("--model", "-m", help="Bundled name, folder, or organisation/name on the Hub.")]
DeviceOption = Annotated[Device, typer.Option("--device", help="Where the model runs.")]
Threshold = Annotated[
    float | None,
    typer.Option("--threshold", min=0.0, max=1.0, help="Unsafe from this score on; by default the checkpoint's."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


def chosen_policies(names: list[str] | None, files: list[Path] | None) -> list[str | Path]:
    """Join both options; a command line without any policy is a usage error (exit code 2)."""
    chosen: list[str | Path] = [*(names or ()), *(files or ())]
    if not chosen:
        raise typer.BadParameter("name at least one; `unigurd policies` lists them", param_hint="--policy")
    return chosen
