"""The tensors of a safetensors file, as a mapping that reads each when it is asked for and keeps none."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from unigurd_trainer.errors import DataError
from unigurd_trainer.weights_file import Span, tensor_entries

__all__ = ["Stored"]

_TYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip


class Stored(Mapping[str, Tensor]):
    """The tensors of a file.

    Each is a map of its part of the file, gone when nothing refers to it any more: memory holds the tensors in use,
    where an open file would hold all that were ever read.
    """

    def __init__(self, file: Path | str) -> None:
        """Read the header; a file that is no safetensors file raises `DataError`."""
        from safetensors import SafetensorError, safe_open

        self.file = Path(file)
        try:
            with safe_open(self.file, "pt"):  # checks the header and that the file is whole
                self._entries = tensor_entries(self.file)
        except (OSError, SafetensorError) as error:
            raise DataError(f"not a safetensors file ({error})", file=self.file) from error

    def __getitem__(self, name: str) -> Tensor:
        entry = self._entries[name]
        if entry.dtype not in _TYPES:
            raise DataError(f"{name} is of type {entry.dtype}, which cannot be merged", file=self.file)
        return _map(self.file, entry.span, _TYPES[entry.dtype]).reshape(entry.shape)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _map(file: Path, span: Span, dtype: torch.dtype) -> Tensor:
    """Map a part of a file; writing to it would change a private copy."""
    if not span.length:
        return torch.empty(0, dtype=dtype)
    start = span.offset - span.offset % mmap.ALLOCATIONGRANULARITY
    with file.open("rb") as stream:
        size = span.offset + span.length - start
        mapped = mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_COPY, offset=start)
    return torch.frombuffer(mapped, dtype=dtype, offset=span.offset - start)
