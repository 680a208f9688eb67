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
    model.load_state_dict(dict(Unpacked(model, stored)))


class Unpacked(Mapping[str, Tensor]):
    """What a file holds, under the names and in the layout of a model's state; int8 becomes float32.

    Tensors are read when they are asked for, so `stored` may be a file. Only the names of the model are looked at: it
    may be on the device "meta". Tensors that the model does not know keep their names.
    """

    def __init__(self, model: nn.Module, stored: Mapping[str, Tensor]) -> None:
        self._stored = stored
        self._parts = {
            f"{name}.{part}.{kind}": (f"{name}.qkv.{kind}", index)
            for name in _attentions(model)
            for kind in ("weight", "bias")
            for index, part in enumerate(_QKV)
        }
        self._linear = frozenset(_linear_weights(model))
        known = {source for source, _ in self._parts.values()}.union(model.state_dict())
        others = [name for name in stored if name not in known and not name.endswith(SCALE)]
        self._names = dict.fromkeys([*model.state_dict(), *others])

    def __getitem__(self, name: str) -> Tensor:
        source, part = self._parts.get(name, (name, None))
        tensor = self._stored[source]
        scale = self._stored.get(source + SCALE)
        columns = [tensor] if scale is None else [tensor, scale.expand_as(tensor)]
        if part is not None:
            columns = [each.chunk(len(_QKV), dim=-1)[part] for each in columns]
        real = columns[0].float() if scale is None else columns[0].float() * columns[1]
        return real.T.contiguous() if name in self._linear else real

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _linear_weights(model: nn.Module) -> list[str]:
    return [f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)]


def _attentions(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, SelfAttention)]
