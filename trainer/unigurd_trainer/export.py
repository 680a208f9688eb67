"""Export: a trained model becomes a checkpoint folder that runs on ONNX Runtime and on torch.

The folder has small ONNX graphs, one weights file for both runtimes, the tokenizer and the manifest. Weights of the
encoder are float32, int8 (`unigurd_trainer.weight_only`), or int8 with int8 arithmetic (`unigurd_trainer.quantise`).
The second has a graph more: texts in int8 arithmetic that keeps verdicts (`unigurd_trainer.integer_products`).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unigurd_sdk.checkpoint import write_manifest
from unigurd_sdk.manifest import Manifest
from unigurd_sdk.nn.graphs import STATE
from unigurd_sdk.nn.model import GuardModel
from unigurd_sdk.nn.weights import pack
from unigurd_trainer.graphs import fused_graphs
from unigurd_trainer.integer_products import integer_products
from unigurd_trainer.precision import Precision
from unigurd_trainer.quantise import quantise
from unigurd_trainer.weight_only import quantise_weights
from unigurd_trainer.weights_file import names_of, write_weights

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["export"]

_WEIGHTS = "model.safetensors"


def export(
    model: GuardModel, tokenizer_file: Path, folder: Path, manifest: Manifest, precision: Precision = "int8-weights"
) -> Manifest:
    """Write a checkpoint folder; returns its manifest with weights, state, config and hashes filled in.

    Raises:
        ModelIncompatible: The model's interaction has no exportable form.
        MissingExtra: `onnx` is not installed.
    """
    model = model.float().eval()
    graphs = fused_graphs(model)
    packed = {name: tensor.numpy() for name, tensor in pack(model).items()}
    tensors = dict(packed)
    if precision != "fp32":
        shrink = quantise if precision == "int8" else quantise_weights
        for role, graph in graphs.items():
            quantised = shrink(graph, names_of(graph, packed))
            graphs[role] = quantised.graph
            tensors.update(quantised.tensors)
    if precision == "int8-weights":
        graphs["text-int8"] = integer_products(graphs["text"])
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(tokenizer_file, folder / "tokenizer.json")
    write_weights(folder, _WEIGHTS, tensors, graphs)
    return write_manifest(folder, manifest.model_copy(update=_description(model, graphs)))


def _description(model: GuardModel, roles: Iterable[str]) -> dict[str, Any]:
    """Say in the manifest's terms what was written."""
    return {
        "weights": {"onnx": {role: f"{role}.onnx" for role in roles}, "torch": _WEIGHTS},
        "state": STATE,
        "config": model.config.flat(),
        "interaction": model.config.interaction,
    }
