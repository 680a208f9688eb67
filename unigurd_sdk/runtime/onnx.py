"""The ONNX runtime: runs a checkpoint's graphs, policy encoder and text scorer, on a CPU.

The policy graph maps `input_ids` and `attention_mask` [L, P] and `polarity` [L] (int64) to the state
tensors that the manifest names, each [n, ...]. The text graph maps `input_ids` and `attention_mask` [B, T]
(int64), the state tensors [K, n, ...] and their masks `<name>_mask` [K, n] to logits [B, K]. So does the text graph
in int8 arithmetic, if the checkpoint has one. A graph is fed only the inputs that it declares.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unigurd_sdk.errors import ConfigError, InferenceError, ModelIncompatible
from unigurd_sdk.runtime.arithmetic import INT8_ROLE, ChosenArithmetic
from unigurd_sdk.runtime.base import Array, PolicyState, Segment, stack_states
from unigurd_sdk.runtime.batches import BATCH_TOKENS, batches
from unigurd_sdk.template import policy_lines
from unigurd_sdk.timed import require_wanted
from unigurd_sdk.tokenizer import GuardTokenizer, pad_rows

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from unigurd_sdk.checkpoint import Checkpoint
    from unigurd_sdk.policy import Policy

_DTYPES: Mapping[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(bool)": np.bool_,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
}


class OnnxRuntime:
    """Runs a checkpoint with onnxruntime; a graph is loaded once, when first needed. Safe for threads."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str = "cpu",
        threads: int | None = None,
        *,
        batch_tokens: int = BATCH_TOKENS,
        arithmetic: ChosenArithmetic = "float32",
        tokenizer: GuardTokenizer | None = None,
    ) -> None:
        """Prepare to run `checkpoint`; `threads` limits the threads of one operation (default: one per core).

        `arithmetic` says which of the text graphs to run; `tokenizer` is the checkpoint's, if it was read already.

        Raises:
            ConfigError: The device is not "cpu", or a number is below 1.
            ModelIncompatible: The checkpoint has no ONNX weights, or not those of the arithmetic.
        """
        if device != "cpu":
            raise ConfigError(f'The onnx runtime runs on device="cpu", not {device!r}. Use runtime="torch" for a GPU.')
        if (threads is not None and threads < 1) or batch_tokens < 1:
            raise ConfigError(f"threads and batch_tokens must be at least 1, not {threads} and {batch_tokens}.")
        manifest = checkpoint.manifest
        roles = {"policy": "policy", "text": INT8_ROLE if arithmetic == "int8" else "text"}
        files = {graph: manifest.weight_file("onnx", role) for graph, role in roles.items()}
        self._paths = {graph: checkpoint.file(name) for graph, name in files.items()}
        self._tokenizer = tokenizer or GuardTokenizer.from_file(checkpoint.file("tokenizer.json"))
        self._manifest = manifest
        self._threads = threads
        self._batch_tokens = batch_tokens
        self._sessions: dict[str, InferenceSession] = {}
        self._lock = threading.Lock()

    def encode_policy(self, policy: Policy) -> PolicyState:
        """Encode a policy; see `Runtime.encode_policy`."""
        lines = self._tokenizer.encode_lines(
            policy_lines(policy, plain=self._manifest.plain), self._manifest.line_length
        )
        feed = {
            "input_ids": lines.input_ids,
            "attention_mask": lines.attention_mask,
            "polarity": lines.polarity,
        }
        tensors = dict(zip(self._manifest.state, self._run("policy", feed), strict=True))
        for name, tensor in tensors.items():
            _check_finite(tensor, f"the state {name!r} of the policy has values that are not finite")
        return PolicyState(tensors)

    def score(self, segments: Sequence[Segment], states: Sequence[PolicyState]) -> NDArray[np.float32]:
        """Score segments under policies; see `Runtime.score`."""
        logits = np.zeros((len(segments), len(states)), dtype=np.float32)
        if not logits.size:
            return logits
        stacked = stack_states(states)
        for rows in batches([len(segment) for segment in segments], self._batch_tokens // len(states)):
            require_wanted()
            logits[rows] = self._score_batch([segments[row] for row in rows], stacked, len(states))
        _check_finite(logits, "the model returned a score that is not a finite number")
        return logits

    def close(self) -> None:
        """Release the graphs; the next call would load them again."""
        with self._lock:
            self._sessions.clear()

    def _score_batch(self, segments: list[Segment], stacked: Mapping[str, Array], policies: int) -> Array:
        input_ids, attention_mask = pad_rows(segments, self._tokenizer.pad)
        feed = {"input_ids": input_ids, "attention_mask": attention_mask, **stacked}
        logits: Array = self._run("text", feed)[0]
        if logits.shape != (len(segments), policies):
            raise InferenceError(
                f"the text graph returned the shape {logits.shape} and not {(len(segments), policies)}; "
                "the checkpoint does not follow the graph contract"
            )
        return logits

    def _run(self, role: str, feed: Mapping[str, Array]) -> list[Array]:
        """Run a graph with the inputs that it declares; state outputs come in the manifest's order."""
        session = self._session(role)
        inputs = {}
        for declared in session.get_inputs():
            if declared.name not in feed:
                raise ModelIncompatible(
                    f"The {role} graph wants the input {declared.name!r}, which this version does not have. "
                    "Export the checkpoint again with this version."
                )
            inputs[declared.name] = feed[declared.name].astype(_DTYPES[declared.type], copy=False)
        names = list(self._manifest.state) if role == "policy" else ["logits"]
        return list(session.run(names, inputs))

    def _session(self, role: str) -> InferenceSession:
        with self._lock:
            if role not in self._sessions:
                self._sessions[role] = _load(str(self._paths[role]), self._threads)
            return self._sessions[role]


def _load(path: str, threads: int | None) -> InferenceSession:
    """Load a graph; onnxruntime keeps to the CPU and, when `threads` is set, to that many threads."""
    import onnxruntime

    options: Any = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads is not None:
        options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _check_finite(values: Array, reason: str) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InferenceError(reason)
