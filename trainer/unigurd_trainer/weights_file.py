"""One weights file for both runtimes: the large tensors of the ONNX graphs live in `model.safetensors`.

ONNX lets a tensor lie in another file, as an offset and a length; a safetensors file is a header and then plain
tensors. So both graphs point into the file that torch reads, and nothing is stored twice. Tensors and graphs are
matched by content. See docs/decisions/0003-one-weights-file.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

Tensors: TypeAlias = Mapping[str, NDArray[np.generic]]

INLINE_BYTES = 1024
"""Smaller tensors stay in the graph."""


class Content(NamedTuple):
    """What makes two tensors the same."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes

    @classmethod
    def of(cls, tensor: NDArray[np.generic]) -> Content:
        """Take the content of an array."""
        return cls(tensor.dtype.str, tensor.shape, tensor.tobytes())


class Span(NamedTuple):
    """Where a tensor lies in a file, in bytes."""

    offset: int
    length: int


class Entry(NamedTuple):
    """A tensor of a safetensors file: its type as the file calls it (F32, I8...), its shape, and where it lies."""

    dtype: str
    shape: tuple[int, ...]
    span: Span


def names_of(graph: ModelProto, tensors: Tensors) -> dict[str, str]:
    """Map a graph's initialisers to the names of the `tensors` of the same content."""
    known = {Content.of(tensor): name for name, tensor in tensors.items()}
    arrays = {tensor.name: _array(tensor) for tensor in graph.graph.initializer}
    return {name: known[content] for name, array in arrays.items() if (content := Content.of(array)) in known}


def write_weights(folder: Path, name: str, tensors: Tensors, graphs: Mapping[str, ModelProto]) -> None:
    """Write `tensors` to the file `name`, and each graph as `<role>.onnx` with its large initialisers in that file."""
    import onnx
    from safetensors.numpy import save_file

    save_file(dict(tensors), folder / name)
    (folder / name).chmod(0o644)  # safetensors makes it private, which an installed package must not be
    spans = tensor_spans(folder / name)
    for role, graph in graphs.items():
        names = names_of(graph, tensors)
        for tensor in graph.graph.initializer:
            if tensor.name in names and _array(tensor).nbytes >= INLINE_BYTES:
                _refer(tensor, name, spans[names[tensor.name]])
        onnx.save(graph, folder / f"{role}.onnx")


def tensor_spans(path: Path) -> dict[str, Span]:
    """Read where each tensor of a safetensors file lies."""
    return {name: entry.span for name, entry in tensor_entries(path).items()}


def tensor_entries(path: Path) -> dict[str, Entry]:
    """Read the header of a safetensors file: 8 bytes of length, then JSON; the tensors follow."""
    with path.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(size))
    header.pop("__metadata__", None)
    return {name: _entry(value, 8 + size) for name, value in header.items()}


def _entry(value: Mapping[str, Any], start: int) -> Entry:
    first, stop = value["data_offsets"]
    return Entry(value["dtype"], tuple(value["shape"]), Span(start + first, stop - first))


def _refer(tensor: TensorProto, location: str, span: Span) -> None:
    """Replace a tensor's data by where it lies."""
    from onnx import TensorProto

    for field in ("raw_data", "float_data", "int32_data", "int64_data"):
        tensor.ClearField(field)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", span.offset), ("length", span.length)):
        tensor.external_data.add(key=key, value=str(value))


def _array(tensor: TensorProto) -> NDArray[np.generic]:
    from onnx import numpy_helper

    return np.asarray(numpy_helper.to_array(tensor))
