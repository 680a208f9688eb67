"""Packages of the extra `sdg`, imported at the point of use."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from unigurd_sdk.errors import MissingExtra

__all__ = ["load"]


def load(module: str, *, purpose: str) -> Any:  # noqa: ANN401 - these packages have no types
    """Import a module of the extra; `MissingExtra` says what to install if it is not there."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtra(module.partition(".")[0], extra="sdg", purpose=purpose) from error
