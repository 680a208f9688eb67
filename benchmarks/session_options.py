"""What settings of ONNX Runtime change about one run of the float32 text graph: what was tried, and what it gave.

    python benchmarks/session_options.py [CHECKPOINT] [--threads 1 2] [--json docs/results/session-options.json]

All variants run in the same rounds. "float16" computes in half precision, "padded to 8" fills the text to a multiple of
eight tokens, "I/O binding" hands over inputs and outputs in place.
"""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnxruntime.transformers.float16 import convert_float_to_float16

from fusion import feed_of
from timing import LEAST_ROUNDS, interleaved, report
from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.runtime.torch import load_model
from unigurd_trainer.graphs import fuse, text_graph, trace

TOKENS = (17, 65, 257)
Feed = Mapping[str, np.ndarray]


def main() -> None:
    """Measure the median milliseconds of every variant."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("checkpoint", nargs="?", type=Path, default=Path("unigurd_sdk/models/uniguard"))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], help="threads of one operation")
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS, help="interleaved rounds; at least 50")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        rows = [
            row for threads in args.threads for row in measure(args.checkpoint, threads, args.rounds, Path(scratch))
        ]
    report("One run of the text graph, one policy (median ms)", rows, args.json)


def measure(folder: Path, threads: int, rounds: int, scratch: Path) -> list[dict[str, Any]]:
    """Measure all variants at one number of threads."""
    config = load_model(Checkpoint.open(folder)).config
    sessions = variants(folder, threads, scratch)
    calls: dict[str, Callable[[], object]] = {}
    for count in TOKENS:
        feed = feed_of(count, config.encoder.hidden_size, config.head_size)
        calls |= {f"{name} {count}": partial(session.run, None, feed) for name, session in sessions.items()}
        calls[f"padded to 8 {count}"] = partial(sessions["as shipped"].run, None, padded(feed))
        calls[f"I/O binding {count}"] = bound(sessions["as shipped"], feed)
    taken = interleaved(calls, rounds)
    names = (*sessions, "padded to 8", "I/O binding")
    return [
        {"": name, "threads": threads, **{f"{count} tokens": taken[f"{name} {count}"] for count in TOKENS}}
        for name in names
    ]


def variants(folder: Path, threads: int, scratch: Path) -> dict[str, onnxruntime.InferenceSession]:
    """Open the graph with one setting changed at a time."""
    model = load_model(Checkpoint.open(folder)).eval()
    plain, half, sizes = scratch / "text.onnx", scratch / "half.onnx", model.config.encoder
    trace(text_graph(model), plain)
    fuse(plain, heads=sizes.num_attention_heads, size=sizes.hidden_size)
    onnx.save(convert_float_to_float16(onnx.load(plain), keep_io_types=True), half)
    changed: dict[str, dict[str, Any]] = {
        "as shipped": {},
        "threads spin": {"spin": "1"},
        "operators in parallel": {"execution_mode": onnxruntime.ExecutionMode.ORT_PARALLEL},
        "basic optimisations": {"graph_optimization_level": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC},
        "no memory arena": {"enable_cpu_mem_arena": False},
        "no memory pattern": {"enable_mem_pattern": False},
        "denormals are zero": {"denormal": "1"},
    }
    opened = {name: session(plain, threads, **options) for name, options in changed.items()}
    return opened | {"float16": session(half, threads)}


def session(
    path: Path,
    threads: int,
    spin: str = "0",
    denormal: str = "0",
    **changed: Any,  # noqa: ANN401
) -> onnxruntime.InferenceSession:
    """Open a graph as the runtime does, but for what is changed."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", spin)
    options.add_session_config_entry("session.set_denormal_as_zero", denormal)
    for name, value in changed.items():
        setattr(options, name, value)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def padded(feed: Feed) -> dict[str, np.ndarray]:
    """Fill ids and mask with zeros up to a multiple of eight."""
    extra = -feed["input_ids"].shape[1] % 8
    texts = {name: np.pad(feed[name], ((0, 0), (0, extra))) for name in ("input_ids", "attention_mask")}
    return {**feed, **texts}


def bound(session: onnxruntime.InferenceSession, feed: Feed) -> Callable[[], object]:
    """Bind inputs and outputs once."""
    binding = session.io_binding()
    for name, value in feed.items():
        binding.bind_cpu_input(name, value)
    binding.bind_output("logits")
    return partial(session.run_with_iobinding, binding)


if __name__ == "__main__":
    main()
