"""Arithmetic: whether texts are scored in float32 or in int8, which is faster and gives the same verdicts.

A checkpoint may have a second text graph, the role "text-int8", whose products are sums of uint8 times int8. They are
exact where the processor adds such products in 32 bits. Older ones add pairs of them in 16 bits, which saturate. So the
first use in a process asks the processor: one product of large numbers, whose sum is known.
"""

from __future__ import annotations

import base64
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from unigurd_sdk.errors import ConfigError

if TYPE_CHECKING:
    from unigurd_sdk.manifest import Manifest

Arithmetic = Literal["auto", "float32", "int8"]
"""What may be asked for; "auto" is int8 where checkpoint, runtime and processor allow it."""

ChosenArithmetic = Literal["float32", "int8"]

INT8_ROLE = "text-int8"
"""The role of the text graph with int8 arithmetic in the manifest."""

PROBE = base64.b64decode(
    "CAgSADr6AQo2CgNrX24SB3dlaWdodHMiD0NvbnN0YW50T2ZTaGFwZSoVCgV2YWx1ZSoJCAEQAyoBf0IAoAEECkwKBHJvd3MKB3dlaWdo"
    "dHMKA29uZQoDb25lCgZtaWRkbGUSBHN1bXMiFE1hdE11bEludGVnZXJUb0Zsb2F0Og1jb20ubWljcm9zb2Z0EgVwcm9iZSobCAIQB0ID"
    "a19uShBAAAAAAAAAACAAAAAAAAAAKg0QAUIDb25lSgQAAIA/Kg0QAkIGbWlkZGxlSgGAWhcKBHJvd3MSDwoNCAISCQoDEgFtCgIIQGIX"
    "CgRzdW1zEg8KDQgBEgkKAxIBbQoCCCBCBAoAEBFCEQoNY29tLm1pY3Jvc29mdBAB"
)
"""An ONNX model: `rows` [m, 64] of uint8, less 128, times a matrix [64, 32] of 127; the operator is the graph's own."""

_ROWS, _INNER = 4, 64


def choose_arithmetic(
    manifest: Manifest, runtime: Literal["onnx", "torch"], arithmetic: Arithmetic
) -> ChosenArithmetic:
    """Choose the arithmetic of texts; policies are always encoded in float32.

    Raises:
        ConfigError: The name is unknown, or "int8" was asked for and something is in the way of it.
    """
    if arithmetic not in get_args(Arithmetic):
        raise ConfigError(f"arithmetic must be one of {', '.join(get_args(Arithmetic))}, not {arithmetic!r}.")
    if arithmetic == "float32":
        return "float32"
    obstacle = _obstacle(manifest, runtime)
    if arithmetic == "int8" and obstacle:
        raise ConfigError(f'arithmetic="int8" is not possible: {obstacle}. Use arithmetic="auto" or "float32".')
    return "float32" if obstacle else "int8"


def _obstacle(manifest: Manifest, runtime: Literal["onnx", "torch"]) -> str:
    """Say what is in the way of int8 arithmetic; nothing is the empty string."""
    if runtime == "torch":
        return "the torch runtime computes in float32 only"
    graphs = manifest.weights.get("onnx")
    if isinstance(graphs, str) or INT8_ROLE not in (graphs or {}):
        return f"the checkpoint {manifest.name!r} has no text graph for it"
    return "" if has_exact_products() else "this processor, or this version of onnxruntime, does not compute it exactly"


@cache
def has_exact_products() -> bool:
    """Whether onnxruntime multiplies uint8 with int8 exactly on this machine; asked once in a process."""
    try:
        sums = _probe()
    except Exception:
        return False
    return bool(np.all(sums == _INNER * (255 - 128) * 127))


def _probe() -> Any:  # noqa: ANN401
    """Multiply the largest numbers there are: in 16 bits, already two of their products are too large."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(PROBE, options, providers=["CPUExecutionProvider"])
    return session.run(["sums"], {"rows": np.full((_ROWS, _INNER), 255, dtype=np.uint8)})[0]
