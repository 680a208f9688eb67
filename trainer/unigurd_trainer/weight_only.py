"""Int8 weights, float32 arithmetic: a third of the size of float32, with scores that stay what they were.

Weights of the encoder are stored as int8 with one scale a column. The graph multiplies them out; ONNX Runtime folds
that once, when a session is made, so a check runs in float32. Unlike dynamic int8, whose activations share one scale a
batch, a text's score does not depend on what else is in its batch. Numbers: docs/decisions/0004-int8.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unigurd_sdk.nn.weights import SCALE
from unigurd_trainer.quantise import INT8, KEPT, Quantised, quantise_rows, quantise_words

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

REAL = "_real"
"""Suffix of a weight that was made float32 and not yet multiplied by its scale."""


def quantise_weights(graph: ModelProto, names: Mapping[str, str]) -> Quantised:
    """Store a fused graph's encoder weights as int8; `names` maps initialisers to names in the weights file."""
    from onnx import numpy_helper

    tensors: dict[str, NDArray[np.generic]] = dict(quantise_words(graph.graph, names))
    nodes: list[NodeProto] = []
    for tensor in list(graph.graph.initializer):
        weight = numpy_helper.to_array(tensor)
        name = names.get(tensor.name, "")
        if weight.ndim != 2 or not name.endswith(".weight") or name.startswith(KEPT) or "embeddings" in name:
            continue
        rows, scale = quantise_rows(weight.T)
        tensors |= {name: np.ascontiguousarray(rows.T), name + SCALE: np.ascontiguousarray(scale.T)}
        graph.graph.initializer.remove(tensor)
        graph.graph.initializer.extend(_stored(tensor.name, tensors[name], tensors[name + SCALE]))
        nodes += _multiplied(tensor.name)
    for place, node in enumerate(nodes):
        graph.graph.node.insert(place, node)
    return Quantised(graph, tensors)


def _stored(name: str, weight: NDArray[np.generic], scale: NDArray[np.generic]) -> Iterator[TensorProto]:
    from onnx import numpy_helper

    yield numpy_helper.from_array(np.asarray(weight), name + INT8)
    yield numpy_helper.from_array(np.asarray(scale), name + SCALE)


def _multiplied(name: str) -> list[NodeProto]:
    """Nodes that give the float32 weight under its old name."""
    from onnx import TensorProto, helper

    real = name + REAL
    return [
        helper.make_node("Cast", [name + INT8], [real], name=real, to=TensorProto.FLOAT),
        helper.make_node("Mul", [real, name + SCALE], [name], name=f"{name}_weight"),
    ]
