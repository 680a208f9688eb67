"""What a guarded stream costs the reader and the machine: the wait for the first words, the delay, the work.

    python benchmarks/streaming.py [CHECKPOINT] [--tokens 300] [--rate 50] [--json out.json]

A source writes a safe answer at so many tokens a second, in chunks of several sizes. Measured are the time until the
first text leaves, for how long each character is held between its coming and its leaving (median and worst), how often
each token of the text is judged, and how much the model reads in all, markers and prompts included, for each token of
the text and beside one check of the whole text. Without a guard the first
text leaves with the first chunk and nothing is held; a check of the whole text holds everything until the end.
"""

from __future__ import annotations

import asyncio
import time
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from latency import text_of
from timing import report
from unigurd_sdk import Guard
from unigurd_sdk.runtime.base import PolicyState, Segment
from unigurd_sdk.runtime.onnx import OnnxRuntime
from unigurd_sdk.tokenizer import GuardTokenizer

POLICY = "safety"
CASES = [("character", 32), ("token", 32), ("8 tokens", 32), ("32 tokens", 32), ("whole", 32)]
HOLD_BACKS = [8, 16, 64, 120]


@dataclass(slots=True)
class Read:
    """What the model was given to read: calls and tokens."""

    calls: int = 0
    tokens: int = 0


@dataclass(slots=True)
class Run:
    """When the text of a stream came and when it left, (seconds, characters so far), and how much was judged."""

    came: list[tuple[float, int]] = field(default_factory=list)
    left: list[tuple[float, int]] = field(default_factory=list)
    scored: int = 0

    def delays(self) -> list[float]:
        """Return for each character the milliseconds between its coming and its leaving."""
        return [1000 * (b - a) for a, b in zip(_times(self.came), _times(self.left), strict=True)]


def main() -> None:
    """Measure guarded streams."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("checkpoint", nargs="?", type=Path, default=Path("unigurd_sdk/models/uniguard"))
    parser.add_argument("--tokens", type=int, default=300, help="length of the answer")
    parser.add_argument("--rate", type=float, default=50.0, help="tokens that the source writes in a second")
    parser.add_argument("--threads", type=int, default=1, help="threads of one operation")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    text = text_of(args.checkpoint, args.tokens)
    cases = [*CASES, *(("token", hold_back) for hold_back in HOLD_BACKS)]
    with Guard.from_pretrained(args.checkpoint, threads=args.threads) as guard:
        whole = one_check(guard, text)
        rows = [measure(guard, text, whole, size, hold_back, args.rate) for size, hold_back in cases]
        rows.append(measure(guard, text, whole, "token", 32, args.rate, prompt="What was it like to live there?"))
    report(
        f"Guarded stream of {args.tokens} tokens at {args.rate:g} tokens/s, {args.threads} thread(s)", rows, args.json
    )


def one_check(guard: Guard, text: str) -> Read:
    """Check the whole text at once, twice: the first time loads the model."""
    guard.check(text, policy=POLICY, role="assistant")
    with counted() as read:
        assert not guard.check(text, policy=POLICY, role="assistant").unsafe
    return read


def measure(
    guard: Guard, text: str, whole: Read, size: str, hold_back: int, rate: float, prompt: str | None = None
) -> dict[str, Any]:
    """Run one stream and say when its text left and what the model read."""
    chunks = cut(guard, text, size)
    with counted() as read:
        run = asyncio.run(stream(guard, chunks, hold_back, rate / tokens(guard, text) * len(text), prompt))
    scored = run.scored / tokens(guard, text)
    delays = run.delays()
    first, letters = run.left[0], next(count for at, count in reversed(run.came) if at <= run.left[0][0])
    return {
        "chunks": size, "hold_back": hold_back, "prompt": "yes" if prompt else "no",
        "first ms": 1000 * first[0], "after tokens": tokens(guard, text[:letters]),
        "held median ms": median(delays), "held worst ms": max(delays),
        "model calls": read.calls, "scored": scored, "read": read.tokens / tokens(guard, text),
        "of a check": read.tokens / whole.tokens,
    }  # fmt: skip


async def stream(guard: Guard, chunks: Sequence[str], hold_back: int, speed: float, prompt: str | None) -> Run:
    """Stream chunks that come at `speed` characters a second."""
    run, start = Run(), time.perf_counter()

    async def source() -> AsyncIterator[str]:
        for chunk, end in zip(chunks, accumulate(map(len, chunks)), strict=True):
            await asyncio.sleep(max(0.0, start + end / speed - time.perf_counter()))
            run.came.append((end / speed, end))
            yield chunk

    count = 0
    guarded = guard.stream(source(), policy=POLICY, hold_back=hold_back, prompt=prompt)
    async for chunk in guarded:
        count += len(chunk)
        run.left.append((time.perf_counter() - start, count))
    run.scored = guarded.tokens
    return run


def cut(guard: Guard, text: str, size: str) -> list[str]:
    """Cut a text into characters, into so many tokens with the blanks before them, or not at all."""
    if size == "character":
        return list(text)
    ends = [end for _, end in _tokenizer(guard).encode(text).offsets]
    step = len(ends) if size == "whole" else int(size.partition(" ")[0]) if size[0].isdigit() else 1
    places = [0, *ends[step - 1 : -1 : step], len(text)]
    return [text[a:b] for a, b in zip(places, places[1:], strict=False) if b > a]


def tokens(guard: Guard, text: str) -> int:
    """Count the tokens of a text."""
    return len(_tokenizer(guard).encode(text).ids)


@contextmanager
def counted() -> Iterator[Read]:
    """Count what the model reads in the block."""
    read, score = Read(), OnnxRuntime.score

    def counting(self: OnnxRuntime, segments: Sequence[Segment], states: Sequence[PolicyState]) -> Any:  # noqa: ANN401
        read.calls += 1
        read.tokens += sum(map(len, segments))
        return score(self, segments, states)

    with patch.object(OnnxRuntime, "score", counting):
        yield read


def _tokenizer(guard: Guard) -> GuardTokenizer:
    return GuardTokenizer.from_file(guard.checkpoint.file("tokenizer.json"))


def _times(events: Sequence[tuple[float, int]]) -> Iterator[float]:
    """Give the time of each character."""
    before = 0
    for at, count in events:
        yield from [at] * (count - before)
        before = count


if __name__ == "__main__":
    main()
