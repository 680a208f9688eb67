"""Int8: the encoder's matrix products with weights per channel and activations as they come, word embeddings per row.

The head stays in float32: it is small, and so a score does not depend on which other policies are asked at the same
time. Weights are symmetric, so a tensor of int8 times its scale is the weight. What it costs: docs/benchmarks.md.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unigurd_sdk.nn.weights import SCALE
from unigurd_trainer.errors import TrainerError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

Arrays = Mapping[str, NDArray[np.generic]]

KEPT = "head."
"""What starts so stays in float32."""

WORDS = "bert.embeddings.word_embeddings.weight"

INT8, _SCALE, _ZERO = "_quantized", "_scale", "_zero_point"  # ONNX Runtime's suffixes


@dataclass(frozen=True, slots=True)
class Quantised:
    """A quantised graph, and its int8 tensors and their scales by the names of what they replace."""

    graph: ModelProto
    tensors: Arrays


def quantise(graph: ModelProto, names: Mapping[str, str]) -> Quantised:
    """Quantise a fused graph; `names` maps its initialisers to their names in the weights file."""
    quantise_words(graph.graph, names)
    kept = [node.name for node in graph.graph.node if any(names.get(i, "").startswith(KEPT) for i in node.input)]
    quantised = _quantise_products(graph, kept)
    return Quantised(quantised, dict(_replacements(_initializers(quantised.graph), names)))


def quantise_rows(rows: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantise [N, D] with one scale a row: int8 [N, D] and scales [N, 1]."""
    scale = np.maximum(np.abs(rows).max(axis=1, keepdims=True) / 127, np.finfo(np.float32).tiny).astype(np.float32)
    return np.round(rows / scale).astype(np.int8), scale


def _quantise_products(graph: ModelProto, kept: Sequence[str]) -> ModelProto:
    """Let ONNX Runtime quantise products with a constant, all but the nodes `kept`."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "fused.onnx", Path(scratch) / "int8.onnx"
        onnx.save(graph, source)
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul", "Attention"],
            per_channel=True,
            reduce_range=False,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=list(kept),
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
        )
        return onnx.load(target)


def quantise_words(graph: GraphProto, names: Mapping[str, str]) -> Arrays:
    """Look words up as int8 and their scale, where they are looked up in float32; returns both for the weights file."""
    from onnx import numpy_helper

    stored: dict[str, NDArray[np.generic]] = {}
    lookups = [node for node in graph.node if node.op_type == "Gather" and names.get(node.input[0]) == WORDS]
    for lookup in lookups:
        place, table = list(graph.node).index(lookup), lookup.input[0]
        (words,) = (tensor for tensor in graph.initializer if tensor.name == table)
        rows, scale = quantise_rows(numpy_helper.to_array(words))
        stored |= {WORDS: rows, WORDS + SCALE: scale}
        graph.initializer.remove(words)
        graph.initializer.append(numpy_helper.from_array(rows, table + INT8))
        graph.initializer.append(numpy_helper.from_array(scale, table + _SCALE))
        graph.node.remove(lookup)
        for offset, node in enumerate(_int8_lookup(table, lookup.input[1], lookup.output[0])):
            graph.node.insert(place + offset, node)
    return stored


def _int8_lookup(table: str, ids: str, out: str) -> list[NodeProto]:
    from onnx import TensorProto, helper

    row, real, scale = (f"{out}_{kind}" for kind in ("int8", "real", "scale"))
    return [
        helper.make_node("Gather", [table + INT8, ids], [row], name=row),
        helper.make_node("Gather", [table + _SCALE, ids], [scale], name=scale),
        helper.make_node("Cast", [row], [real], name=real, to=TensorProto.FLOAT),
        helper.make_node("Mul", [real, scale], [out], name=out),
    ]


def _replacements(arrays: Arrays, names: Mapping[str, str]) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Give the int8 tensors and scales of a graph under the names of the weights file."""
    for name in (name for name in arrays if name.endswith(INT8)):
        base = name.removesuffix(INT8)
        if np.any(arrays.get(base + _ZERO, 0)):
            raise TrainerError(f"{name} was quantised with a zero point, which the weights file has no place for.")
        yield names[base], arrays[name]
        yield names[base] + SCALE, arrays[base + _SCALE]


def _initializers(graph: GraphProto) -> Arrays:
    from onnx import numpy_helper

    return {tensor.name: np.asarray(numpy_helper.to_array(tensor)) for tensor in graph.initializer}
