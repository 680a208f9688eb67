"""Int8 arithmetic that keeps verdicts: the encoder's products of a graph with int8 weights, in integers.

The weights stay what they are. Activations are written as two int8 digits: the value in steps of 1/127 of the largest
that is possible, and what that leaves in steps of 1/254 of it. Each digit is multiplied with the weights in integers,
and the products are added. The largest possible value follows from the weights (`activation_bounds`), so nothing is
cut off, nothing has to be calibrated or measured, and a score does not depend on the other texts of its batch.

ONNX Runtime's own dynamic quantisation takes one digit, and the largest value of a batch. What other ways cost and
save: docs/decisions/0004-int8.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from unigurd_sdk.nn.weights import SCALE
from unigurd_trainer.activation_bounds import Bounds
from unigurd_trainer.quantise import INT8
from unigurd_trainer.weight_only import REAL

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

_MICROSOFT = "com.microsoft"

_FIRST, _SECOND, _STEP = "_first", "_second", "_step"

_WORTH: Mapping[str, float] = {_FIRST: 1 / 127, _SECOND: 1 / 127 / 254}
"""What one unit of each digit is worth, where the largest value is 1."""

_ZERO = "digit_zero"
"""Digits are uint8 with 128 for 0, since products of uint8 and int8 are the fast ones."""


def integer_products(graph: ModelProto) -> ModelProto:
    """Give a copy of a graph of `quantise_weights` that multiplies its int8 weights in integers.

    Products with float32 weights, or of activations of which no bound is known, stay as they are. The tensors are those
    of the graph, so that both can share a file.
    """
    from onnx import ModelProto

    bounds = _bounds(graph)
    replaced = {node.input[1] for node in graph.graph.node if node.output[0] in bounds}
    unneeded = replaced | {weight + REAL for weight in replaced}
    copied = ModelProto()
    copied.CopyFrom(graph)
    del copied.graph.node[:]
    for node in graph.graph.node:
        if node.output[0] in bounds:
            copied.graph.node.extend(_in_integers(node))
        elif node.output[0] not in unneeded:
            copied.graph.node.append(node)
    copied.graph.initializer.extend(_constants(bounds))
    return copied


def _bounds(graph: ModelProto) -> dict[str, float]:
    """Bound what is multiplied with int8 weights, by the name of the product."""
    known = Bounds.of(graph)
    stored = {name.removesuffix(INT8) for name in known.tensors if name.endswith(INT8)}
    products = (node for node in graph.graph.node if node.op_type in ("MatMul", "Attention"))
    found = {node.output[0]: known.largest(node.input[0]) for node in products if node.input[1] in stored}
    return {name: bound for name, bound in found.items() if bound is not None and np.isfinite(bound)}


def _in_integers(node: NodeProto) -> Iterator[NodeProto]:
    out = node.output[0]
    yield from _digits(node.input[0], out)
    if node.op_type == "MatMul":
        yield from _product(out, node.input[1], out)
    else:
        yield from _product(out, node.input[1], f"{out}_qkv")
        yield from _attention(node, f"{out}_qkv")


def _digits(source: str, name: str) -> Iterator[NodeProto]:
    first, second, worth, rest = name + _FIRST, name + _SECOND, f"{name}_worth", f"{name}_rest"
    yield _node("QuantizeLinear", [source, first + _STEP, _ZERO], first)
    yield _node("DequantizeLinear", [first, first + _STEP, _ZERO], worth)
    yield _node("Sub", [source, worth], rest)
    yield _node("QuantizeLinear", [rest, second + _STEP, _ZERO], second)


def _product(digits: str, weight: str, out: str) -> Iterator[NodeProto]:
    """Multiply the digits [..., K] with a weight [K, N]."""
    for digit in (digits + _FIRST, digits + _SECOND):
        operands = [digit, weight + INT8, digit + _STEP, weight + SCALE, _ZERO]
        yield _node("MatMulIntegerToFloat", operands, f"{digit}_product", domain=_MICROSOFT)
    yield _node("Add", [f"{digits}{digit}_product" for digit in (_FIRST, _SECOND)], out)


def _attention(node: NodeProto, projected: str) -> Iterator[NodeProto]:
    """Attend over [B, T, 3 D], the projections of a fused `Attention`; its bias and mask are taken on."""
    from onnx import helper

    parts = [f"{projected}_{part}" for part in ("query", "key", "value")]
    same: Mapping[str, Any] = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    yield helper.make_node("Split", [projected], parts, name=f"{projected}_split", axis=-1)
    yield _node("MultiHeadAttention", [*parts, *node.input[2:]], node.output[0], domain=_MICROSOFT, **same)


def _node(kind: str, inputs: list[str], out: str, **attributes: Any) -> NodeProto:  # noqa: ANN401
    from onnx import helper

    return helper.make_node(kind, inputs, [out], name=out, **attributes)


def _constants(bounds: Mapping[str, float]) -> Iterator[TensorProto]:
    from onnx import numpy_helper

    yield numpy_helper.from_array(np.array(128, dtype=np.uint8), _ZERO)
    least = float(np.finfo(np.float32).tiny) * 127 * 254  # so that no step is 0
    for name, bound in bounds.items():
        for digit, worth in _WORTH.items():
            step = np.array(max(bound, least) * worth, dtype=np.float32)
            yield numpy_helper.from_array(step, name + digit + _STEP)
