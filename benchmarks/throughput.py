"""How many texts a second: `check_batch` beside a naive padded loop, by threads, and with concurrent `acheck` callers.

    python benchmarks/throughput.py [CHECKPOINT] [--texts 2000] [--callers 64] [--threads 1 2] [--json out.json]

The texts have 5 to 600 words, most of them few (log-uniform). The naive loops run the float32 text graph in a bare
session: texts in their order, 32 at a time, padded to the longest. One cuts texts at the model's length, which
`check_batch` never does; one reads all long windows of the texts; one all windows that `check_batch` scores, close ones
and those of views among them. The callers share the texts, and each waits for its answer before it asks again; beside
them a coroutine that only sleeps measures by how much the event loop is late.
"""

from __future__ import annotations

import asyncio
import random
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Literal

from latency import POLICY, PROSE
from timing import report
from unigurd_sdk import Guard
from unigurd_sdk.registry import builtin_policies
from unigurd_sdk.runtime.base import stack_states
from unigurd_sdk.runtime.onnx import OnnxRuntime
from unigurd_sdk.segments import Segmenter
from unigurd_sdk.tokenizer import GuardTokenizer, pad_rows

SHORTEST, LONGEST, NAIVE_BATCH, NAP = 5, 600, 32, 0.005

Reads = Literal["first", "long", "all"]


@dataclass(frozen=True, slots=True)
class Concurrent:
    """What concurrent callers saw, in seconds: all of it, each answer, and how late the event loop was."""

    seconds: float
    waits: Sequence[float]
    lags: Sequence[float]


def main() -> None:
    """Measure by turns; ratios are to `check_batch` of the same threads."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("checkpoint", nargs="?", type=Path, default=Path("unigurd_sdk/models/uniguard"))
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], help="threads of one operation")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    texts = mixed_texts(args.texts)
    rows = [row for n in args.threads for row in measure(args.checkpoint, n, texts, args.callers, args.rounds)]
    report(f"{args.texts} texts of {SHORTEST} to {LONGEST} words (medians of {args.rounds} rounds)", rows, args.json)


def mixed_texts(count: int) -> list[str]:
    """Write texts of random lengths."""
    rng, words = random.Random(1), PROSE.split()
    sizes = [round(SHORTEST * (LONGEST / SHORTEST) ** rng.random()) for _ in range(count)]
    return [" ".join(islice(cycle(words), at := rng.randrange(len(words)), at + size)) for size in sizes]


def measure(folder: Path, threads: int, texts: list[str], callers: int, rounds: int) -> list[dict[str, Any]]:
    """Measure at one number of threads."""
    with Guard.from_pretrained(folder, threads=threads, runtime="onnx") as guard:
        naive = Naive(guard, threads)
        guard.check(texts[0], policy=POLICY)
        batch, gathered = [], []
        loops: dict[str, list[float]] = {how: [] for how in NAIVE}
        for _ in range(rounds):
            batch.append(_seconds(lambda: guard.check_batch(texts, policy=POLICY)))
            for how, taken in loops.items():
                taken.append(_seconds(partial(naive.run, texts, NAIVE[how])))
            gathered.append(asyncio.run(concurrent(guard, texts, callers)))
    own, async_ = median(batch), median(each.seconds for each in gathered)
    waits, lags = ([v for each in gathered for v in getattr(each, name)] for name in ("waits", "lags"))
    return [
        _row("check_batch", threads, len(texts), own, own),
        *(_row(f"naive padded loop, {how}", threads, len(texts), median(taken), own) for how, taken in loops.items()),
        _row(f"{callers} callers of acheck", threads, len(texts), async_, own)
        | {"p50 ms": 1000 * median(waits), "p99 ms": 1000 * quantiles(waits, n=100)[98],
           "loop late ms (p99)": 1000 * quantiles(lags, n=100)[98]},
    ]  # fmt: skip


async def concurrent(guard: Guard, texts: Sequence[str], callers: int) -> Concurrent:
    """Let callers share the texts, each asking for one at a time."""
    waits: list[float] = []
    lags: list[float] = []
    remaining = iter(texts)

    async def caller() -> None:
        for text in remaining:
            started = time.perf_counter()
            await guard.acheck(text, policy=POLICY)
            waits.append(time.perf_counter() - started)

    async def clock() -> None:
        while True:
            started = time.perf_counter()
            await asyncio.sleep(NAP)
            lags.append(time.perf_counter() - started - NAP)

    watching, started = asyncio.create_task(clock()), time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    taken = time.perf_counter() - started
    watching.cancel()
    return Concurrent(taken, waits, lags)


NAIVE: dict[str, Reads] = {"texts cut": "first", "all long windows": "long", "the same windows": "all"}
"""What the naive loops read."""


class Naive:
    """The text graph of a checkpoint in a bare session, fed as tutorials do."""

    def __init__(self, guard: Guard, threads: int) -> None:
        checkpoint, manifest = guard.checkpoint, guard.checkpoint.manifest
        self.tokenizer = GuardTokenizer.from_file(checkpoint.file("tokenizer.json"))
        self.segmenter = Segmenter(self.tokenizer, manifest.max_length, manifest.overlap)
        self.scan = guard._engine._scan
        self.runtime = OnnxRuntime(checkpoint, threads=threads, arithmetic="float32")
        self.state = stack_states([self.runtime.encode_policy(builtin_policies()[POLICY])])

    def run(self, texts: Sequence[str], reads: Reads) -> None:
        """Score texts in their order, a number of them at a time, padded to the longest window."""
        for at in range(0, len(texts), NAIVE_BATCH):
            rows = [ids for text in texts[at : at + NAIVE_BATCH] for ids in self.windows(text, reads)]
            ids, mask = pad_rows(rows, self.tokenizer.pad)
            self.runtime._run("text", {"input_ids": ids, "attention_mask": mask, **self.state})

    def windows(self, text: str, reads: Reads) -> Sequence[Sequence[int]]:
        """Cut a text."""
        if reads == "all":
            return self.scan(text, None, "user").ids
        return self.segmenter.cut(text, "user").ids[: 1 if reads == "first" else None]


def _seconds(call: Any) -> float:  # noqa: ANN401
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _row(name: str, threads: int, texts: int, seconds: float, own: float) -> dict[str, Any]:
    return {
        "": name, "threads": threads, "texts/s": texts / seconds, "of check_batch": own / seconds,
        "p50 ms": "", "p99 ms": "", "loop late ms (p99)": "",
    }  # fmt: skip


if __name__ == "__main__":
    main()
