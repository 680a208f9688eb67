"""How a checkpoint reads texts that one window does not hold: a part of its manifest, chosen by measurement."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from unigurd_sdk.checkpoint import Checkpoint, write_manifest
from unigurd_sdk.errors import ConfigError
from unigurd_sdk.manifest import Manifest

__all__ = ["set_windows"]


def set_windows(checkpoint: Path, **changes: float | None) -> Manifest:
    """Rewrite what a checkpoint folder says of its windows; returns the new manifest.

    Args:
        checkpoint: The folder.
        **changes: Fields of the manifest (`max_length`, `overlap`, `close_length`, `close_above`, `window_slope`,
            `window_most`); None leaves one as it is.

    Raises:
        ConfigError: A value that the manifest does not allow.
    """
    manifest = Checkpoint.open(checkpoint).manifest
    given = {name: value for name, value in changes.items() if value is not None}
    try:
        manifest = Manifest.model_validate(manifest.model_dump() | given)
    except ValidationError as error:
        raise ConfigError("; ".join(str(each["msg"]) for each in error.errors())) from error
    write_manifest(checkpoint, manifest)
    return manifest
