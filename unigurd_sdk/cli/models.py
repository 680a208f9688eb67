"""`unigurd models`: the checkpoints on this machine, bundled and downloaded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import typer
from rich.table import Table

from unigurd_sdk.cli.console import answers, complain
from unigurd_sdk.cli.options import AsJson
from unigurd_sdk.errors import ModelError
from unigurd_sdk.hub import BUNDLED
from unigurd_sdk.manifest import MANIFEST_NAME, Manifest

__all__ = ["models"]

COLUMNS = ("name", "source", "format", "MB", "interaction", "scores")


def models(as_json: AsJson = False) -> None:
    """List the checkpoints on this machine and their scores. Exit code 2 if one is damaged."""
    rows, damaged = [], False
    for name, source, path in (*_bundled(BUNDLED), *_cached(_hub_cache())):
        try:
            rows.append({"name": name, "source": source, **_facts(path)})
        except (ModelError, OSError) as error:
            damaged = True
            complain(f"{path}: {error}")
    if as_json:
        typer.echo(json.dumps(rows))
    elif rows:
        answers().print(_table(rows))
    else:
        answers().print("No checkpoint on this machine; pass a folder or organisation/name with --model.")
    raise typer.Exit(2 if damaged else 0)


def _bundled(folder: Path) -> Iterator[tuple[str, str, Path]]:
    for path in sorted(folder.glob(f"*/{MANIFEST_NAME}")):
        yield path.parent.name, "bundled", path


def _cached(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Find checkpoints in the Hub's cache: models--<organisation>--<name>/snapshots/<commit>/guard.json."""
    for path in sorted(folder.glob(f"models--*/snapshots/*/{MANIFEST_NAME}")):
        repository = path.parents[2].name.removeprefix("models--").replace("--", "/")
        yield repository, f"cached {path.parent.name[:12]}", path


def _hub_cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _facts(path: Path) -> dict[str, object]:
    manifest = Manifest.parse(path.read_bytes())
    size = sum(entry.bytes for entry in manifest.files.values())
    return {
        "format": ", ".join(manifest.weights),
        "MB": round(size / 1e6, 1),
        "interaction": manifest.interaction,
        "scores": manifest.scores,
    }


def _table(rows: list[dict[str, object]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, no_wrap=column != "scores", justify="right" if column == "MB" else "left")
    for row in rows:
        table.add_row(*(_scores(row[name]) if name == "scores" else str(row[name]) for name in COLUMNS))
    return table


def _scores(scores: object) -> str:
    if not isinstance(scores, dict):
        return ""
    return "\n".join(
        f"{name}: {', '.join(f'{metric} {value:.3f}' for metric, value in values.items())}"
        for name, values in scores.items()
    )
