"""How long a check takes by text length, beside the floor: the bare model and the tokenizer.

    python benchmarks/latency.py CHECKPOINT... [--threads 1 2] [--tokens 16 256] [--json out.json]

A text has exactly as many tokens as the row says, not counting the role marker and the special tokens. The floor is
what no client can avoid: tokenising the text, and running the float32 text graph of the same checkpoint in a bare
onnxruntime session. A check with int8 arithmetic (docs/decisions/0004-int8.md) goes below it.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice, product
from pathlib import Path
from typing import Any

import onnxruntime
from tokenizers import Tokenizer

from timing import LEAST_ROUNDS, interleaved, report
from unigurd_sdk import Guard
from unigurd_sdk.registry import builtin_policies
from unigurd_sdk.runtime.base import stack_states
from unigurd_sdk.runtime.onnx import OnnxRuntime
from unigurd_sdk.segments import Segmenter
from unigurd_sdk.tokenizer import GuardTokenizer, pad_rows

POLICY = "tax"
TOKENS = [16, 32, 64, 128, 256, 512]
PROSE = """The old house by the river had been empty for many years when the new family came to live there in spring.
They painted the walls, cut the grass and opened every window, and soon people from the village came to ask how they
could help, what they did for work and whether the children would like to see the horses on the farm next door."""


def main() -> None:
    """Measure the median milliseconds of a check."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("checkpoints", nargs="+", type=Path, help="checkpoint folders")
    parser.add_argument("--threads", nargs="+", action="extend", type=int, help="threads of one operation")
    parser.add_argument("--tokens", nargs="+", action="extend", type=int, help="lengths of the text")
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS, help="interleaved rounds; at least 50")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    cases = product(args.checkpoints, args.threads or [1])
    rows = [row for folder, threads in cases for row in measure(folder, threads, args.tokens or TOKENS, args.rounds)]
    report("Latency of one check, one policy (median ms)", rows, args.json)


def measure(folder: Path, threads: int, tokens: list[int], rounds: int) -> Iterator[dict[str, Any]]:
    """Measure one checkpoint at one number of threads, all lengths in the same rounds."""
    with Guard.from_pretrained(folder, threads=threads, runtime="onnx") as guard:
        calls: dict[str, Callable[[], object]] = {}
        floor = floor_of(guard, threads)
        for count in tokens:
            text = text_of(folder, count)
            assert guard.check(text, policy=POLICY).tokens.total == count
            calls[f"check {count}"] = partial(guard.check, text, policy=POLICY)
            calls[f"floor {count}"] = floor(text)
        taken = interleaved(calls, rounds)
    for count in tokens:
        check, bare = taken[f"check {count}"], taken[f"floor {count}"]
        yield {
            "checkpoint": folder.name, "threads": threads, "tokens": count,
            "check ms": check, "floor ms": bare, "ratio": check / bare,
        }  # fmt: skip


def text_of(folder: Path, tokens: int) -> str:
    """Write prose of exactly `tokens` tokens, from words that are one token each."""
    tokenizer = GuardTokenizer.from_file(folder / "tokenizer.json")
    words = [word for word in PROSE.split() if len(tokenizer.encode(word).ids) == 1]
    return " ".join(islice(cycle(words), tokens))


def floor_of(guard: Guard, threads: int) -> Callable[[str], Callable[[], object]]:
    """Prepare the floor: for a text, a function that tokenises it and runs the graph on inputs made beforehand."""
    checkpoint, manifest = guard.checkpoint, guard.checkpoint.manifest
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    graph = str(checkpoint.file(manifest.weight_file("onnx", "text")))
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    plain = Tokenizer.from_file(str(checkpoint.file("tokenizer.json")))
    plain.no_truncation()
    plain.no_padding()
    tokenizer = GuardTokenizer.from_file(checkpoint.file("tokenizer.json"))
    segmenter = Segmenter(tokenizer, manifest.max_length, manifest.overlap)
    state = stack_states([OnnxRuntime(checkpoint, threads=1).encode_policy(builtin_policies()[POLICY])])
    wanted = {declared.name: declared.type for declared in session.get_inputs()}

    def floor(text: str) -> Callable[[], object]:
        ids, mask = pad_rows(segmenter.cut(text, "user").ids, tokenizer.pad)
        feed = {"input_ids": ids, "attention_mask": mask, **state}
        kept = {n: feed[n].astype("float32") if t == "tensor(float)" else feed[n] for n, t in wanted.items()}
        return lambda: (plain.encode(text), session.run(None, kept))

    return floor


if __name__ == "__main__":
    main()
