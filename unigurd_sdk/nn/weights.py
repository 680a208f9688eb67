"""The layout of `model.safetensors`: tensors as the ONNX graphs want them, under the names that torch gives them.

One file serves both runtimes. A linear layer's weight is stored as [in, out], an attention's query, key and value
side by side as `...qkv.weight` [in, 3 out] and `...qkv.bias` [3 out], everything else as it is. A tensor of int8
comes with a `<name>_scale` that broadcasts against it; their product is the weight. `pack` is what export starts
from, `unpack` undoes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from unigurd_sdk.nn.encoder import SelfAttention

SCALE = "_scale"
"""Suffix of the scales of an int8 tensor."""

_QKV = ("query", "key", "value")


def pack(model: nn.Module) -> dict[str, Tensor]:
    """Lay out a model's parameters for the file, in float32."""
    state = {name: tensor.detach().float() for name, tensor in model.state_dict().items()}
    for name in _linear_weights(model):
        state[name] = state[name].T
    for name in _attentions(model):
        for kind in ("weight", "bias"):
            parts = [state.pop(f"{name}.{part}.{kind}") for part in _QKV]
            state[f"{name}.qkv.{kind}"] = torch.cat(parts, dim=-1)
    return {name: tensor.contiguous() for name, tensor in state.items()}


def unpack(model: nn.Module, stored: Mapping[str, Tensor]) -> None:
    """Load what a file holds into a model; int8 becomes float32.

    Raises:
        KeyError: A tensor is missing.
        RuntimeError: A tensor is of another shape, or the file has one too many.
    """
    state = dict(_dequantised(stored))
    for name in _attentions(model):
        for kind in ("weight", "bias"):
            parts = state.pop(f"{name}.qkv.{kind}").chunk(len(_QKV), dim=-1)
            state |= {f"{name}.{part}.{kind}": tensor for part, tensor in zip(_QKV, parts, strict=True)}
    for name in _linear_weights(model):
        state[name] = state[name].T
    model.load_state_dict(state)


def _dequantised(stored: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in stored.items():
        if name.endswith(SCALE):
            continue
        scale = stored.get(name + SCALE)
        yield name, tensor.float() if scale is None else tensor.float() * scale


def _linear_weights(model: nn.Module) -> list[str]:
    return [f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)]


def _attentions(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, SelfAttention)]
