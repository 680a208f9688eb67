"""Observers of a training log: functions that are shown every record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from unigurd_sdk.errors import MissingExtra

Observer = Callable[[dict[str, Any]], None]


def fan_out(observers: Sequence[Observer]) -> Observer:
    """Show a record to all of them."""

    def observe(record: dict[str, Any]) -> None:
        for observer in observers:
            observer(record)

    return observe


def tensorboard_observer(folder: Path) -> Observer:
    """Write every number of a record as a TensorBoard scalar at the record's step (extra ``tensorboard``)."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtra("tensorboard", extra="tensorboard") from error
    writers: list[SummaryWriter] = []  # opened at the first record, when the run is known to be the folder's own

    def observe(record: dict[str, Any]) -> None:
        writer = writers[0] if writers else SummaryWriter(str(folder))
        writers[:] = [writer]
        for key, value in record.items():
            if key != "step" and isinstance(value, int | float):
                writer.add_scalar(key, value, record["step"])
        writer.flush()

    return observe
