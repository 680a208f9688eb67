"""Export: a trained model becomes a checkpoint folder with two ONNX graphs (fp32 or int8) and safetensors.

The graphs are traced from the same modules that the torch runtime runs, fused by ONNX Runtime's transformer optimiser
(attention, GELU, layer norm), and for int8 quantised dynamically per channel. `parity` compares a runtime with torch.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from unigurd_sdk.checkpoint import write_manifest
from unigurd_sdk.errors import MissingExtra
from unigurd_sdk.manifest import Manifest
from unigurd_sdk.nn.graphs import POLICY_INPUTS, STATE, TEXT_INPUTS, PolicyGraph, TextGraph
from unigurd_sdk.nn.model import GuardModel

log = logging.getLogger(__name__)

Precision = Literal["fp32", "int8"]
_OPSET = 17


@dataclass(frozen=True, slots=True)
class Graph:
    """A module to export: example inputs, their names, which axes vary, and the outputs' names."""

    module: nn.Module
    inputs: tuple[Tensor, ...]
    names: tuple[str, ...]
    axes: dict[str, dict[int, str]]
    outputs: tuple[str, ...]


def export(
    model: GuardModel, tokenizer: Path, folder: Path, manifest: Manifest, *, precision: Precision, torch_weights: bool
) -> Manifest:
    """Write a checkpoint folder; returns its manifest with weights, config and hashes filled in."""
    folder.mkdir(parents=True, exist_ok=True)
    model = model.float().eval()
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    for role, graph in (("policy", policy_graph(model)), ("text", text_graph(model))):
        write_graph(graph, folder / f"{role}.onnx", model, precision)
    weights: dict[str, Any] = {"onnx": {"policy": "policy.onnx", "text": "text.onnx"}}
    if torch_weights:
        half = {key: value.to(torch.float16).contiguous() for key, value in model.state_dict().items()}
        save_file(half, folder / "model.safetensors")
        weights["torch"] = "model.safetensors"
    filled = {
        "weights": weights,
        "state": STATE,
        "config": model.config.flat(),
        "interaction": model.config.interaction,
    }
    return write_manifest(folder, manifest.model_copy(update=filled))


def policy_graph(model: GuardModel) -> Graph:
    """Describe the policy graph."""
    ids = torch.randint(5, model.config.encoder.vocab_size, (3, 7))
    inputs = (ids, torch.ones_like(ids), torch.tensor([0, 1, 2]))
    axes = {"input_ids": {0: "lines", 1: "line_tokens"}, "attention_mask": {0: "lines", 1: "line_tokens"}}
    states = {name: {0: "state_lines"} for name in STATE}
    return Graph(PolicyGraph(model), inputs, POLICY_INPUTS, axes | {"polarity": {0: "lines"}} | states, STATE)


def text_graph(model: GuardModel) -> Graph:
    """Describe the text graph."""
    ids, lines = torch.randint(5, model.config.encoder.vocab_size, (2, 9)), 4
    size, head = model.config.encoder.hidden_size, model.config.head_size
    states = (torch.randn(3, lines, size), torch.randn(3, lines, head), torch.randn(3, lines), torch.ones(3, lines))
    axes = {name: {0: "texts", 1: "tokens"} for name in ("input_ids", "attention_mask")}
    axes |= {name: {0: "policies", 1: "lines"} for name in (*STATE, "vectors_mask")}
    axes["logits"] = {0: "texts", 1: "policies"}
    return Graph(TextGraph(model), (ids, torch.ones_like(ids), *states), TEXT_INPUTS, axes, ("logits",))


def write_graph(graph: Graph, path: Path, model: GuardModel, precision: Precision) -> None:
    """Trace, fuse and, for int8, quantise a graph."""
    with tempfile.TemporaryDirectory() as scratch:
        traced, fused = Path(scratch) / "traced.onnx", Path(scratch) / "fused.onnx"
        _trace(graph, traced)
        _fuse(traced, fused, heads=model.config.encoder.num_attention_heads, size=model.config.encoder.hidden_size)
        if precision == "int8":
            quantise(fused, path)
        else:
            shutil.copyfile(fused, path)


def quantise(source: Path, target: Path, *, keep: Sequence[str] = ()) -> None:
    """Quantise matrix products and embeddings to int8: weights per channel, activations as they come; `keep` stays fp32."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=["MatMul", "Gather", "Attention", "EmbedLayerNormalization"],
        per_channel=True,
        reduce_range=False,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=list(keep),
        extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
    )


def _trace(graph: Graph, path: Path) -> None:
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


def _fuse(source: Path, target: Path, *, heads: int, size: int) -> None:
    from onnxruntime.transformers import optimizer

    logging.getLogger("onnxruntime.transformers").setLevel(logging.ERROR)
    fused = optimizer.optimize_model(str(source), model_type="bert", num_heads=heads, hidden_size=size, opt_level=0)
    log.info("fused operators: %s", fused.get_fused_operator_statistics())
    fused.save_model_to_file(str(target))
