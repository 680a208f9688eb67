"""The torch runtime (extra `torch`): the same two graphs as ONNX, from safetensors, on a CPU or a CUDA device."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from unigurd_sdk.errors import ConfigError, InferenceError, ModelCorrupt, ModelIncompatible
from unigurd_sdk.nn.graphs import STATE, PolicyGraph, TextGraph
from unigurd_sdk.nn.model import GuardModel, ModelConfig
from unigurd_sdk.nn.weights import unpack
from unigurd_sdk.runtime.base import PolicyState, Segment, stack_states
from unigurd_sdk.runtime.batches import BATCH_TOKENS, batches
from unigurd_sdk.template import policy_lines
from unigurd_sdk.timed import require_wanted
from unigurd_sdk.tokenizer import GuardTokenizer, pad_rows

if TYPE_CHECKING:
    from unigurd_sdk.checkpoint import Checkpoint
    from unigurd_sdk.policy import Policy


_PROCESS = os.getpid()


class TorchRuntime:
    """Runs a checkpoint with torch; the weights are loaded once, when first needed. Safe for threads."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str = "cpu",
        threads: int | None = None,
        *,
        model: GuardModel | None = None,
        tokenizer: GuardTokenizer | None = None,
    ) -> None:
        """Prepare to run `checkpoint` on "cpu" or "cuda"; `model` takes the place of its weights.

        `tokenizer` is the checkpoint's, if it was read already.
        `threads` is for the onnx runtime: torch has one setting for the whole process, which is its owner's to change.

        Raises:
            ConfigError: There is no CUDA device, or `threads` was given.
            InferenceError: The process was forked after this runtime was first needed.
        """
        _check_process()
        if device == "cuda" and not torch.cuda.is_available():
            raise ConfigError(
                'device="cuda" was asked for, but torch finds no CUDA device. Use device="auto" or "cpu".'
            )
        if threads is not None:
            raise ConfigError("threads= is for the onnx runtime; with torch call torch.set_num_threads yourself.")
        self._checkpoint = checkpoint
        self._device = torch.device(device)
        self._tokenizer = tokenizer or GuardTokenizer.from_file(checkpoint.file("tokenizer.json"))
        self._model = model
        self._graphs: tuple[PolicyGraph, TextGraph] | None = None
        self._lock = threading.Lock()

    def encode_policy(self, policy: Policy) -> PolicyState:
        """Encode a policy; see `Runtime.encode_policy`."""
        manifest = self._checkpoint.manifest
        lines = self._tokenizer.encode_lines(policy_lines(policy, plain=manifest.plain), manifest.line_length)
        with torch.inference_mode():
            state = self._load()[0](*map(self._tensor, (lines.input_ids, lines.attention_mask, lines.polarity)))
        return PolicyState({name: tensor.cpu().numpy() for name, tensor in zip(STATE, state, strict=True)})

    def score(self, segments: Sequence[Segment], states: Sequence[PolicyState]) -> NDArray[np.float32]:
        """Score segments under policies; see `Runtime.score`."""
        logits = np.zeros((len(segments), len(states)), dtype=np.float32)
        if not logits.size:
            return logits
        stacked = stack_states(states)
        inputs = [self._tensor(stacked[name]) for name in (*STATE, f"{STATE[0]}_mask")]
        for rows in batches([len(segment) for segment in segments], BATCH_TOKENS):
            require_wanted()
            padded = pad_rows([segments[row] for row in rows], self._tokenizer.pad)
            with torch.inference_mode():
                logits[rows] = self._load()[1](*map(self._tensor, padded), *inputs).cpu().numpy()
        if not np.isfinite(logits).all():
            raise InferenceError("the model returned a score that is not a finite number")
        return logits

    def close(self) -> None:
        """Release the weights; the next call would load them again."""
        with self._lock:
            self._graphs = None

    def _load(self) -> tuple[PolicyGraph, TextGraph]:
        with self._lock:
            if self._graphs is None:
                model = (self._model or load_model(self._checkpoint)).to(self._device).eval()
                self._graphs = PolicyGraph(model), TextGraph(model)
            return self._graphs

    def _tensor(self, array: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(array).to(self._device)


def load_model(checkpoint: Checkpoint) -> GuardModel:
    """Build the modules of a checkpoint and load its safetensors, in float32 (see `unigurd_sdk.nn.weights`).

    Raises:
        ModelIncompatible: The manifest's config is not one that this version builds.
        ModelCorrupt: The weights do not fit the config.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = checkpoint.file(checkpoint.manifest.weight_file("torch"))
    model = build_model(checkpoint)
    try:
        unpack(model, load_file(path))
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise ModelCorrupt(path, expected="the weights of the manifest's config", actual=str(error)) from error
    return model


def build_model(checkpoint: Checkpoint, device: str = "cpu") -> GuardModel:
    """Build the modules of a checkpoint, untrained; on "meta" without memory for their parameters.

    Raises:
        ModelIncompatible: The manifest's config is not one that this version builds.
    """
    try:
        with torch.device(device):
            return GuardModel(ModelConfig.from_flat(dict(checkpoint.manifest.config)))
    except (TypeError, ValueError) as error:
        raise ModelIncompatible(f"The checkpoint's model config cannot be built: {error}") from error


def _check_process() -> None:
    """Refuse a forked process: the threads of torch stay with the parent, and a call would wait for them for ever."""
    if os.getpid() != _PROCESS:
        raise InferenceError(
            "torch was loaded before this process was forked, and cannot compute here; "
            'load the guard after the fork, or use runtime="onnx"'
        )
