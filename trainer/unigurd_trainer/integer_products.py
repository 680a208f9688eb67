"""Int8 arithmetic that keeps verdicts: the encoder's products of a graph with int8 weights, in integers.

The weights stay what they are. A row of activations, the vector of one token, is divided by the largest of its absolute
values and written as two int8 digits: the row rounded to 1/127, and what that leaves, rounded to 1/254 of it. Each
digit is multiplied with the weights in integers, and the sum of both is multiplied by the scales. So a row is known to
1/64516 of its largest value, and a score depends neither on the other texts of a batch nor on the kind of machine.

ONNX Runtime's own dynamic quantisation takes one digit, and one scale for all rows of a batch. What one digit a row
costs, and what both save: docs/decisions/0004-int8.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from unigurd_sdk.nn.weights import SCALE
from unigurd_trainer.quantise import INT8
from unigurd_trainer.weight_only import REAL

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_MICROSOFT = "com.microsoft"

_STEPS = (1 / 127, 1 / 127 / 254)
"""What one unit of the first and the second digit is worth, where the largest value of the row is 1."""

_STEP, _ZERO, _LEAST = "digit_step_{}", "digit_zero", "row_least"


def integer_products(graph: ModelProto) -> ModelProto:
    """Give a copy of a graph of `quantise_weights` that multiplies its int8 weights in integers.

    Products of float32 weights stay as they are. The tensors are those of the graph, so that both can share a file.
    """
    from onnx import ModelProto

    copied = ModelProto()
    copied.CopyFrom(graph)
    stored = {t.name.removesuffix(INT8) for t in copied.graph.initializer if t.name.endswith(INT8)}
    replaced = {node.input[1] for node in copied.graph.node if _multiplies(node, stored)}
    unneeded = replaced | {weight + REAL for weight in replaced}
    nodes = [
        new
        for node in copied.graph.node
        if node.output[0] not in unneeded
        for new in (_in_integers(node) if _multiplies(node, stored) else [node])
    ]
    del copied.graph.node[:]
    copied.graph.node.extend(nodes)
    copied.graph.initializer.extend(_constants())
    return copied


def _multiplies(node: NodeProto, weights: set[str]) -> bool:
    return node.op_type in ("MatMul", "Attention") and node.input[1] in weights


def _in_integers(node: NodeProto) -> Iterator[NodeProto]:
    source, weight, out = node.input[0], node.input[1], node.output[0]
    if node.op_type == "MatMul":
        yield from _product(source, weight, out)
    else:
        yield from _product(source, weight, f"{out}_qkv")
        yield from _attention(node, f"{out}_qkv")


def _attention(node: NodeProto, projected: str) -> Iterator[NodeProto]:
    """Attend over [B, T, 3 D], the projections of a fused `Attention`; its bias and mask are taken on."""
    from onnx import helper

    parts = [f"{projected}_{part}" for part in ("query", "key", "value")]
    same: Mapping[str, Any] = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    yield helper.make_node("Split", [projected], parts, name=f"{projected}_split", axis=-1)
    yield helper.make_node(
        "MultiHeadAttention", [*parts, *node.input[2:]], node.output, name=node.name, domain=_MICROSOFT, **same
    )


def _product(source: str, weight: str, out: str) -> Iterator[NodeProto]:
    """Multiply [..., K] with [K, N]: the sum of the digits' products, times the largest value of the row."""
    digits, largest, total = [f"{out}_digit_{place}" for place in (0, 1)], f"{out}_largest", f"{out}_sum"
    sums = [f"{digit}_sum" for digit in digits]
    yield from _digits(source, out, largest, digits)
    for place, (digit, each) in enumerate(zip(digits, sums, strict=True)):
        operands = [digit, weight + INT8, _STEP.format(place), weight + SCALE, _ZERO]
        yield _node("MatMulIntegerToFloat", operands, each, domain=_MICROSOFT)
    yield _node("Add", sums, total)
    yield _node("Mul", [total, largest], out)


def _digits(source: str, out: str, largest: str, digits: list[str]) -> Iterator[NodeProto]:
    """Write rows as digits: uint8 with 128 for 0, since products of uint8 and int8 are the fast ones."""
    size, most, unit, coarse, rest = (f"{out}_{name}" for name in ("size", "most", "unit", "coarse", "rest"))
    first, second = (_STEP.format(place) for place in (0, 1))
    yield _node("Abs", [source], size)
    yield _node("ReduceMax", [size], most, axes=[-1], keepdims=1)
    yield _node("Max", [most, _LEAST], largest)
    yield _node("Div", [source, largest], unit)
    yield _node("QuantizeLinear", [unit, first, _ZERO], digits[0])
    yield _node("DequantizeLinear", [digits[0], first, _ZERO], coarse)
    yield _node("Sub", [unit, coarse], rest)
    yield _node("QuantizeLinear", [rest, second, _ZERO], digits[1])


def _node(kind: str, inputs: list[str], out: str, **attributes: Any) -> NodeProto:  # noqa: ANN401
    from onnx import helper

    return helper.make_node(kind, inputs, [out], name=out, **attributes)


def _constants() -> Iterator[Any]:
    from onnx import numpy_helper

    for place, step in enumerate(_STEPS):
        yield numpy_helper.from_array(np.array(step, dtype=np.float32), _STEP.format(place))
    yield numpy_helper.from_array(np.array(128, dtype=np.uint8), _ZERO)
    yield numpy_helper.from_array(np.array(np.finfo(np.float32).tiny), _LEAST)
