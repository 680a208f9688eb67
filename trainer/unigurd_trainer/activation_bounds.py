"""Bounds of activations: how large what an encoder multiplies can be, for whatever text, from the weights alone.

A layer norm over D features gives x = gain * u + shift with |u|^2 <= D. So feature j is at most sqrt(D) |gain_j| +
|shift_j|, and a linear layer w, b of it at most sqrt(D) |gain * w_j| + |shift w_j + b_j|, with the Euclidean norm
(Cauchy-Schwarz). Attention gives averages of values, and |GELU(x)| <= |x|, so both keep the bounds of the linear layers
before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unigurd_sdk.nn.weights import SCALE
from unigurd_trainer.quantise import INT8

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

Real = NDArray[np.float64]

_NORMS: Mapping[str, slice] = {"LayerNormalization": slice(1, 3), "SkipLayerNormalization": slice(2, 4)}
"""Where the inputs of a layer norm have its gain and its shift."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The largest absolute values of what is computed in a fused graph with int8 weights."""

    tensors: Mapping[str, TensorProto]
    makers: Mapping[str, NodeProto]

    @classmethod
    def of(cls, graph: ModelProto) -> Bounds:
        """Read a graph of `quantise_weights`."""
        nodes = graph.graph.node
        return cls({t.name: t for t in graph.graph.initializer}, {out: node for node in nodes for out in node.output})

    def largest(self, name: str) -> float | None:
        """Bound a tensor; None if nothing is known of how it is made."""
        node = self.makers.get(name)
        if node is None:
            return None
        bound = None
        if node.op_type in _NORMS:
            gain, shift = self._norm(node)
            bound = np.sqrt(gain.size) * np.abs(gain) + np.abs(shift)
        elif node.op_type == "Attention":
            bound = self._linear(node, node.input[2], last=1 / 3)  # query, key and value are side by side
        elif node.op_type == "BiasGelu" and node.input[0] in self.makers:
            bound = self._linear(self.makers[node.input[0]], node.input[1])
        return None if bound is None else float(bound.max())

    def _linear(self, node: NodeProto, bias: str, last: float = 1.0) -> Real | None:
        """Bound the last columns, as a share of all, of a linear layer of a layer norm."""
        norm = self.makers.get(node.input[0])
        if norm is None or norm.op_type not in _NORMS or node.input[1] + INT8 not in self.tensors:
            return None
        gain, shift = self._norm(norm)
        weight = self._array(node.input[1] + INT8) * self._array(node.input[1] + SCALE)
        centre = shift @ weight + self._array(bias)
        bound: Real = np.sqrt(gain.size) * np.linalg.norm(gain[:, None] * weight, axis=0) + np.abs(centre)
        return bound[-round(bound.size * last) :]

    def _norm(self, node: NodeProto) -> tuple[Real, Real]:
        gain, shift = (self._array(name) for name in node.input[_NORMS[node.op_type]])
        return gain, shift

    def _array(self, name: str) -> Real:
        from onnx import numpy_helper

        return np.asarray(numpy_helper.to_array(self.tensors[name]), dtype=np.float64)
