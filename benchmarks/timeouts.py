"""How late a check that runs out of time ends, over the time that it was given.

    python benchmarks/timeouts.py [CHECKPOINT] [--json docs/results/timeouts.json]

Texts are so long that no check ends in time. What makes a check late is native code that holds the interpreter, which
the caller needs to go on: long texts are therefore tokenised in pieces.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from statistics import median
from typing import Any

from latency import POLICY, PROSE
from timing import report
from unigurd_sdk import CheckTimeout, Guard

CHARACTERS = (50_000, 500_000, 4_900_000)
SECONDS = (0.1, 0.3, 1.0)


def main() -> None:
    """Measure every length with every limit."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("checkpoint", nargs="?", type=Path, default=Path("unigurd_sdk/models/uniguard"))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    report("Time until a check times out, over its limit", measure(args.checkpoint, args.rounds), args.json)


def measure(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Return the median and the worst ratio for each length of text and limit."""
    with Guard.from_pretrained(folder, threads=1, runtime="onnx") as guard:
        guard.check("warm", policy=POLICY)
        return [row(guard, count, seconds, rounds) for count in CHARACTERS for seconds in SECONDS]


def row(guard: Guard, characters: int, seconds: float, rounds: int) -> dict[str, Any]:
    """Time out several times; what a time-out leaves behind ends in between."""
    text = (PROSE * (characters // len(PROSE) + 1))[:characters]
    ratios = []
    for _ in range(rounds):
        ratios.append(late(guard, text, seconds))
        time.sleep(0.3)
    return {"characters": characters, "limit s": seconds, "median": median(ratios), "worst": max(ratios)}


def late(guard: Guard, text: str, seconds: float) -> float:
    """Return how long a check took until it gave up, over its limit."""
    started = time.perf_counter()
    try:
        guard.check_messages([{"role": "user", "content": text}], POLICY, timeout=seconds)
    except CheckTimeout:
        return (time.perf_counter() - started) / seconds
    raise SystemExit(f"A text of {len(text)} characters is checked within {seconds} s here; take a longer one.")


if __name__ == "__main__":
    main()
