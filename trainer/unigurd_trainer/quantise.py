"""Int8: matrix products with int8 weights per channel and activations as they come, word embeddings per row.

What is quantised is a choice by measurement; see docs/benchmarks.md.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

WORDS = "bert.embeddings.word_embeddings.weight"

_SUFFIX, _SCALE, _ZERO = "_quantized", "_scale", "_zero_point"


@dataclass(frozen=True, slots=True)
class Quantised:
    """A quantised graph, and its int8 `tensors` and their `<name>_scale` by the names of what they replace."""

    graph: ModelProto
    tensors: Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Choice:
    keep: tuple[str, ...] = ("head.",)
    words: bool = True
    per_channel: bool = True
    reduce_range: bool = False


def quantise(graph: ModelProto, names: Mapping[str, str], choice: Choice = Choice()) -> Quantised:
    """Quantise a fused graph; `names` are the names of its initialisers in the weights file."""
    if choice.words:
        _quantise_rows(graph.graph, names)
    kept = [node.name for node in graph.graph.node if any(names.get(i, "").startswith(choice.keep) for i in node.input)]
    quantised = _quantise_products(graph, kept, choice)
    return Quantised(quantised, dict(_int8_tensors(quantised.graph, names)))


def _quantise_products(graph, keep, choice):
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "fused.onnx", Path(scratch) / "int8.onnx"
        onnx.save(graph, source)
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul", "Attention"],
            per_channel=choice.per_channel,
            reduce_range=choice.reduce_range,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=list(keep),
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
        )
        return onnx.load(target)


def _quantise_rows(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Look words up in int8 with one scale a row, where they are looked up in float32."""
    from onnx import TensorProto, helper, numpy_helper

    place, lookup = next((i, n) for i, n in enumerate(graph.node) if n.op_type == "Gather" and names.get(n.input[0]) == WORDS)
    table, ids = lookup.input
    (source,) = (tensor for tensor in graph.initializer if tensor.name == table)
    words = numpy_helper.to_array(source)
    scale = np.maximum(np.abs(words).max(1, keepdims=True) / 127, 1e-12).astype(np.float32)
    rows = np.round(words / scale).astype(np.int8)
    graph.initializer.remove(source)
    graph.initializer.append(numpy_helper.from_array(rows, table + _SUFFIX))
    graph.initializer.append(numpy_helper.from_array(scale, table + _SCALE))
    out = lookup.output[0]
    nodes = [
        helper.make_node("Gather", [table + _SUFFIX, ids], [out + "_int8"], name=out + "_int8"),
        helper.make_node("Gather", [table + _SCALE, ids], [out + "_scale"], name=out + "_scale"),
        helper.make_node("Cast", [out + "_int8"], [out + "_cast"], name=out + "_cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", [out + "_cast", out + "_scale"], [out], name=out + "_mul"),
    ]
    graph.node.remove(lookup)
    for i, node in enumerate(nodes):
        graph.node.insert(place + i, node)


def _int8_tensors(graph: GraphProto, names: Mapping[str, str]) -> Iterator[tuple[str, NDArray[np.generic]]]:
    from onnx import numpy_helper

    arrays = {tensor.name: np.asarray(numpy_helper.to_array(tensor)) for tensor in graph.initializer}
    for name, array in arrays.items():
        base = name.removesuffix(_SUFFIX)
        if base == name:
            continue
        if np.any(arrays.get(base + _ZERO, 0)):
            raise AssertionError(f"{name} is not symmetric")
        yield names[base], array
        yield names[base] + "_scale", arrays[base + _SCALE]
