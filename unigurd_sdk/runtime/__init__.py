"""Runtimes: what executes a checkpoint, `onnx` on any CPU and `torch` on a GPU; both are a `base.Runtime`."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, get_args

from unigurd_sdk.errors import ConfigError, MissingExtra
from unigurd_sdk.runtime.arithmetic import Arithmetic, ChosenArithmetic, choose_arithmetic

if TYPE_CHECKING:
    from unigurd_sdk.checkpoint import Checkpoint
    from unigurd_sdk.manifest import Manifest
    from unigurd_sdk.runtime.base import Runtime
    from unigurd_sdk.tokenizer import GuardTokenizer

Device = Literal["auto", "cpu", "cuda"]
RuntimeName = Literal["auto", "onnx", "torch"]


def choose(manifest: Manifest, runtime: RuntimeName, device: Device) -> Literal["onnx", "torch"]:
    """Choose the runtime: torch for device="cuda", else onnx if the checkpoint has ONNX weights.

    Raises:
        ConfigError: A name is unknown, or onnx was asked to run on "cuda".
        MissingExtra: torch is needed and not installed.
        ModelIncompatible: The checkpoint has no weights for the runtime.
    """
    if runtime not in get_args(RuntimeName) or device not in get_args(Device):
        raise ConfigError(
            f"runtime must be one of {', '.join(get_args(RuntimeName))} and device one of "
            f"{', '.join(get_args(Device))}, not {runtime!r} and {device!r}."
        )
    if runtime == "onnx" and device == "cuda":
        raise ConfigError('The onnx runtime runs on the CPU only. For device="cuda" use runtime="torch".')
    only_torch = "onnx" not in manifest.weights and "torch" in manifest.weights
    if runtime == "torch" or device == "cuda" or (runtime == "auto" and only_torch):
        if find_spec("torch") is None:
            raise MissingExtra("torch", extra="torch", purpose="The torch runtime")
        manifest.weight_file("torch")
        return "torch"
    manifest.weight_file("onnx", "text")
    return "onnx"


def settle(
    manifest: Manifest, runtime: RuntimeName, device: Device, arithmetic: Arithmetic
) -> tuple[Literal["onnx", "torch"], ChosenArithmetic]:
    """Choose the runtime and its arithmetic; errors are those of `choose` and `choose_arithmetic`."""
    chosen = choose(manifest, runtime, device)
    return chosen, choose_arithmetic(manifest, chosen, arithmetic)


def create(
    checkpoint: Checkpoint,
    runtime: RuntimeName,
    device: Device,
    threads: int | None = None,
    arithmetic: Arithmetic = "float32",
    tokenizer: GuardTokenizer | None = None,
) -> Runtime:
    """Create the runtime that `settle` chooses; device "auto" is a GPU only if torch runs and finds one.

    `tokenizer` is the checkpoint's, if it was read already; reading it is a noticeable part of a cold start.
    """
    name, chosen = settle(checkpoint.manifest, runtime, device, arithmetic)
    if name == "onnx":
        from unigurd_sdk.runtime.onnx import OnnxRuntime

        return OnnxRuntime(checkpoint, "cpu", threads, arithmetic=chosen, tokenizer=tokenizer)
    import torch

    from unigurd_sdk.runtime.torch import TorchRuntime

    found: Device = "cuda" if torch.cuda.is_available() else "cpu"
    return TorchRuntime(checkpoint, found if device == "auto" else device, threads, tokenizer=tokenizer)
