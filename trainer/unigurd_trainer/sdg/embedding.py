"""Sentence embeddings: what de-duplication and the offline generator compare texts by.

`GuardEmbedder` reads the guard's own encoder, which everybody has; `SentenceEmbedder` reads its base as it was before
it learnt to vote (extras `minilm` and `torch`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.runtime.batches import batches
from unigurd_sdk.tokenizer import GuardTokenizer, pad_rows

__all__ = ["Embedder", "EmbedderName", "GuardEmbedder", "SentenceEmbedder", "find_embedder"]

EmbedderName = Literal["guard", "minilm"]

_LINE_STATE = "vectors"


class Embedder(Protocol):
    """Turns texts into unit vectors."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed N texts: [N, D] float32, each row of length 1."""
        ...


class GuardEmbedder:
    """Embeds with the policy graph of a checkpoint, whose first state is the sentence embedding of each line.

    Args:
        checkpoint: The checkpoint; it needs ONNX weights.
        threads: CPU threads; None leaves the choice to onnxruntime.
        max_tokens: A longer text is embedded by its first `max_tokens` tokens.
    """

    def __init__(self, checkpoint: Checkpoint, *, threads: int | None = None, max_tokens: int = 64) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if threads is not None:
            options.intra_op_num_threads = threads
        graph = checkpoint.file(checkpoint.manifest.weight_file("onnx", "policy"))
        self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self._tokenizer = GuardTokenizer.from_file(checkpoint.file("tokenizer.json"))
        self._max_tokens = max_tokens

    @classmethod
    def bundled(cls, *, threads: int | None = None) -> GuardEmbedder:
        """Embed with the checkpoint that the wheel holds."""
        from unigurd_sdk.hub import locate

        return cls(Checkpoint.open(locate("uniguard"), verify="size"), threads=threads)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed N texts: [N, D] float32, each row of length 1; no texts give [0, 1]."""
        if not texts:
            return np.zeros((0, 1), dtype=np.float32)
        rows = [self._tokenizer.line_ids(text, self._max_tokens)[0] for text in texts]
        parts = [(chosen, self._run([rows[row] for row in chosen])) for chosen in batches([*map(len, rows)], 1024)]
        vectors = np.empty((len(rows), parts[0][1].shape[1]), dtype=np.float32)
        for chosen, part in parts:
            vectors[chosen] = part
        return vectors

    def _run(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        ids, mask = pad_rows(rows, self._tokenizer.pad)
        feed = {"input_ids": ids, "attention_mask": mask, "polarity": np.zeros(len(rows), dtype=np.int64)}
        wanted = {each.name for each in self._session.get_inputs()}
        found: NDArray[np.float32] = self._session.run(
            [_LINE_STATE], {key: value for key, value in feed.items() if key in wanted}
        )[0]
        return found[1:]  # the first row is the null line


class SentenceEmbedder:
    """Embeds with the base encoder, as it was before any training of ours, on torch.

    Args:
        base: Name, folder or hub name of the encoder (see `unigurd_trainer.base.find_base`).
        max_tokens: A longer text is embedded by its first `max_tokens` tokens.
    """

    def __init__(self, base: str = "sentence-transformers/all-MiniLM-L6-v2", *, max_tokens: int = 64) -> None:
        from unigurd_trainer.base import find_base

        found = find_base(base)
        self._tokenizer, self._model = found.tokenizer(), found.model(0).eval()
        self._max_tokens = max_tokens

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed N texts: [N, D] float32, each row of length 1; no texts give [0, 1]."""
        if not texts:
            return np.zeros((0, 1), dtype=np.float32)
        rows = [self._tokenizer.line_ids(text, self._max_tokens)[0] for text in texts]
        vectors = np.empty((len(rows), self._model.config.encoder.hidden_size), dtype=np.float32)
        for chosen in batches([*map(len, rows)], 4096):
            vectors[chosen] = self._run([rows[row] for row in chosen])
        return vectors

    def _run(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        import torch

        ids, mask = map(torch.from_numpy, pad_rows(rows, self._tokenizer.pad))
        with torch.inference_mode():
            return np.asarray(self._model.line_vectors(ids, mask).numpy(), dtype=np.float32)


def find_embedder(name: EmbedderName, *, threads: int | None = None) -> Embedder:
    """Load an embedder by name; `threads` is for that of the guard, torch has its own setting."""
    return SentenceEmbedder() if name == "minilm" else GuardEmbedder.bundled(threads=threads)
