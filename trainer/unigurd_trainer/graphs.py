"""From the model's two graph modules to fused ONNX graphs in float32.

They are traced from the modules that the torch runtime runs, and fused by ONNX Runtime's transformer optimiser
(attention, GELU, layer norm). Int8 arithmetic needs the fused operators; in float32 they gain nothing over what ONNX
Runtime does by itself (`benchmarks/fusion.py`).
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from unigurd_sdk.errors import MissingExtra, ModelIncompatible
from unigurd_sdk.nn.graphs import POLICY_INPUTS, STATE, TEXT_INPUTS, PolicyGraph, TextGraph
from unigurd_sdk.nn.model import GuardModel

if TYPE_CHECKING:
    from onnx import ModelProto

log = logging.getLogger(__name__)

EXPORTABLE = ("lines", "lines-read")
"""Interactions whose text graph needs nothing of a policy but `STATE`."""

_OPSET = 17


@dataclass(frozen=True, slots=True)
class Graph:
    """A module to export: example inputs, their names, which axes vary, and the outputs' names."""

    module: nn.Module
    inputs: tuple[Tensor, ...]
    names: tuple[str, ...]
    axes: Mapping[str, Mapping[int, str]]
    outputs: tuple[str, ...]


def fused_graphs(model: GuardModel) -> dict[str, ModelProto]:
    """Trace and fuse a model's graphs: "policy" and "text".

    Raises:
        ModelIncompatible: The model's interaction is not `EXPORTABLE`.
        MissingExtra: `onnx` is not installed.
    """
    if model.config.interaction not in EXPORTABLE:
        raise ModelIncompatible(
            f"A model with the interaction {model.config.interaction!r} cannot be exported; "
            f"train one with {' or '.join(map(repr, EXPORTABLE))}."
        )
    return {
        role: _fused(graph, model) for role, graph in (("policy", policy_graph(model)), ("text", text_graph(model)))
    }


def policy_graph(model: GuardModel) -> Graph:
    """Describe the policy graph."""
    ids = _example_ids(model, 3, 7)
    inputs = (ids, torch.ones_like(ids), torch.tensor([0, 1, 2]))
    axes = {"input_ids": {0: "lines", 1: "line_tokens"}, "attention_mask": {0: "lines", 1: "line_tokens"}}
    states = {name: {0: "state_lines"} for name in STATE}
    return Graph(PolicyGraph(model), inputs, POLICY_INPUTS, axes | {"polarity": {0: "lines"}} | states, STATE)


def text_graph(model: GuardModel) -> Graph:
    """Describe the text graph."""
    ids, lines = _example_ids(model, 2, 9), 4
    size, head = model.config.encoder.hidden_size, model.config.head_size
    states = (torch.randn(3, lines, size), torch.randn(3, lines, head), torch.randn(3, lines), torch.ones(3, lines))
    axes = {name: {0: "texts", 1: "tokens"} for name in ("input_ids", "attention_mask")}
    axes |= {name: {0: "policies", 1: "lines"} for name in (*STATE, "vectors_mask")}
    axes["logits"] = {0: "texts", 1: "policies"}
    return Graph(TextGraph(model), (ids, torch.ones_like(ids), *states), TEXT_INPUTS, axes, ("logits",))


def _example_ids(model: GuardModel, rows: int, tokens: int) -> Tensor:
    return torch.arange(rows * tokens).view(rows, tokens) % model.config.encoder.vocab_size


def _fused(graph: Graph, model: GuardModel) -> ModelProto:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "traced.onnx"
        trace(graph, path)
        return fuse(path, heads=model.config.encoder.num_attention_heads, size=model.config.encoder.hidden_size)


def trace(graph: Graph, path: Path) -> None:
    """Write a graph to a file as it is traced, not fused."""
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise MissingExtra("onnx", extra="trainer", purpose="Export") from error
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # the exporter announces its own deprecation
        torch.onnx.export(
            graph.module,
            graph.inputs,
            str(path),
            input_names=list(graph.names),
            output_names=list(graph.outputs),
            dynamic_axes=graph.axes,
            opset_version=_OPSET,
            dynamo=False,
        )


def fuse(path: Path, *, heads: int, size: int) -> ModelProto:
    """Fuse a traced graph of an encoder with `heads` heads and `size` hidden units, in place; return it."""
    import onnx
    from onnxruntime.transformers import optimizer

    logging.getLogger("onnxruntime.transformers").setLevel(logging.ERROR)
    fused = optimizer.optimize_model(str(path), model_type="bert", num_heads=heads, hidden_size=size, opt_level=0)
    log.info("fused operators: %s", fused.get_fused_operator_statistics())
    fused.save_model_to_file(str(path))  # also sorts the nodes and declares the operators' domain
    return onnx.load(path)
