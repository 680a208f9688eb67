"""What the fusion of the text graph (attention, GELU, layer norm) saves, beside ONNX Runtime's own optimisations.

    python benchmarks/fusion.py unigurd_sdk/models/uniguard [--threads 1] [--json out.json]

Both graphs are float32, traced from the same weights, and run in the same rounds with all optimisations on.
"""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime

from timing import LEAST_ROUNDS, interleaved, report
from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.runtime.torch import load_model
from unigurd_trainer.graphs import fuse, text_graph, trace

TOKENS = (16, 32, 64, 128, 256)


def main() -> None:
    """Measure the median milliseconds of one text under one policy."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("checkpoint", type=Path, help="checkpoint folder")
    parser.add_argument("--threads", type=int, default=1, help="threads of one operation")
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS, help="interleaved rounds; at least 50")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    taken = interleaved(cases(args.checkpoint, args.threads), args.rounds)
    rows = [
        {
            "tokens": count, "traced ms": taken[f"traced {count}"], "fused ms": taken[f"fused {count}"],
            "ratio": taken[f"fused {count}"] / taken[f"traced {count}"],
        }
        for count in TOKENS
    ]  # fmt: skip
    report(f"Text graph, one policy, {args.threads} thread(s) (median ms)", rows, args.json)


def cases(folder: Path, threads: int) -> dict[str, Callable[[], object]]:
    """Prepare a run of each graph for each length."""
    model = load_model(Checkpoint.open(folder)).eval()
    sizes = model.config.encoder
    with tempfile.TemporaryDirectory() as scratch:
        traced, fused = Path(scratch) / "traced.onnx", Path(scratch) / "fused.onnx"
        for path in (traced, fused):
            trace(text_graph(model), path)
        fuse(fused, heads=sizes.num_attention_heads, size=sizes.hidden_size)
        sessions = {path.stem: _session(path, threads) for path in (traced, fused)}
    head = model.config.head_size
    return {
        f"{name} {count}": partial(session.run, None, feed_of(count, sizes.hidden_size, head))
        for count in TOKENS
        for name, session in sessions.items()
    }


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def feed_of(tokens: int, size: int, head: int, lines: int = 12) -> dict[str, np.ndarray]:
    """One text of `tokens` random tokens, and a state of `lines` lines."""
    rng = np.random.default_rng(0)
    states = {"vectors": (1, lines, size), "context": (1, lines, head), "valence": (1, lines)}
    return {
        "input_ids": rng.integers(1000, 20000, (1, tokens)),
        "attention_mask": np.ones((1, tokens), dtype=np.int64),
        "vectors_mask": np.ones((1, lines), dtype=np.float32),
        **{name: rng.standard_normal(shape).astype(np.float32) for name, shape in states.items()},
    }


if __name__ == "__main__":
    main()
