"""What de-duplication costs up to its lexical tier, as a ratio to rensa alone on the same texts.

    python benchmarks/dedup_lexical.py [--rows 1000000] [--rounds 3] [--json out.json]

Texts are 8 to 30 words long; every fifth row repeats an earlier text, exactly or with a word or two changed. Each case
runs in a process of its own, one after the other in every round; times are medians of user and system time of that
process, memory is its peak above that of the texts. "rensa alone" is its bulk API on the same texts:

- `flags`: word 3-grams made in Python, signatures, index, and one flag per row: has a partner or not;
- `candidates`: the same, but with the partners of each row, as de-duplication needs them;
- `sketch`: `flags` without the time in which Python makes the 3-grams.

None of them verifies a pair, or looks at labels.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from timing import report

LETTERS = "abcdefghijklmnopqrstuvwxyz"
Clock = Callable[[], float]


def main() -> None:
    """Measure all cases, or in a child process one of them."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="texts")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; medians are reported")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--case", choices=list(CASES), help="measure this case here and print it as JSON")
    args = parser.parse_args()
    if args.case:
        sys.stdout.write(json.dumps(measure(CASES[args.case], args.rows)))
        return
    rounds = [{name: _child(name, args.rows) for name in CASES} for _ in range(args.rounds)]
    report(f"{args.rows:,} texts, tiers 1 and 2", list(summary(rounds, args.rows)), args.json)


def summary(rounds: list[dict[str, dict[str, float]]], rows: int) -> Iterator[dict[str, Any]]:
    """Yield one row for each case: medians over the rounds; `ours / it` divides by the case's seconds."""
    ours = median(each["ours"]["seconds"] for each in rounds)
    for name in CASES:
        seconds = median(each[name]["seconds"] for each in rounds)
        peak = median(each[name]["peak"] for each in rounds)
        yield {
            "case": name, "seconds": seconds, "us per row": 1e6 * seconds / rows, "ours / it": ours / seconds,
            "peak MB": peak / 1e6, "bytes per row": peak / rows, "found": int(rounds[0][name]["found"]),
        }  # fmt: skip


def measure(case: Callable[[list[str], Clock], tuple[float, int]], rows: int) -> dict[str, float]:
    """Run one case: seconds of processor time, peak bytes, rows that have a partner or are dropped."""
    made = list(texts(rows))
    before = _peak()
    seconds, found = case(made, time.process_time)
    return {"seconds": seconds, "peak": _peak() - before, "found": found}


def texts(rows: int, seed: int = 0) -> Iterator[str]:
    """Make texts of which a fifth are near-duplicates of an earlier one."""
    rng = random.Random(seed)
    words = ["".join(rng.choices(LETTERS, k=rng.randint(2, 9))) for _ in range(20_000)]
    recent: list[list[str]] = []
    for row in range(rows):
        if row % 5 == 4:
            text = list(rng.choice(recent))
            for _ in range(rng.choice((0, 0, 1, 2))):
                text[rng.randrange(len(text))] = rng.choice(words)
        else:
            text = rng.choices(words, k=rng.randint(8, 30))
            recent = [*recent[-99:], text]
        yield " ".join(text)


def ours(made: list[str], clock: Clock) -> tuple[float, int]:
    """Tiers 1 and 2: normalise, compare, verify, choose."""
    from unigurd_trainer.dedup.entry import Entry
    from unigurd_trainer.dedup.pipeline import deduplicate

    class Rows:
        def __iter__(self) -> Iterator[Entry]:
            return (Entry(f"{row:016x}", text) for row, text in enumerate(made))

    start = clock()
    outcome = deduplicate(Rows())
    return clock() - start, len(made) - outcome.counts["kept"]


def flags(made: list[str], clock: Clock, *, shingles: bool = True) -> tuple[float, int]:
    """Shingles in Python, then rensa: a matrix of signatures, an index, a flag per row."""
    rensa = import_module("rensa")
    index = rensa.RMinHashLSH(threshold=0.8, num_perm=128, num_bands=16)
    seconds, found = 0.0, 0
    for first, grams, start in _chunks(made, clock, shingles):
        signatures = rensa.RMinHash.digest_matrix_from_token_sets(grams, num_perm=128, seed=42)
        found += sum(index.insert_matrix_and_query_duplicate_flags(signatures, first))
        seconds += clock() - start
    return seconds, found


def sketch(made: list[str], clock: Clock) -> tuple[float, int]:
    """As `flags`, with the clock stopped while Python makes shingles."""
    return flags(made, clock, shingles=False)


def candidates(made: list[str], clock: Clock) -> tuple[float, int]:
    """Shingles in Python, then rensa: signatures as objects, an index, the keys of each row's partners."""
    rensa = import_module("rensa")
    index = rensa.RMinHashLSH(threshold=0.8, num_perm=128, num_bands=16)
    seconds, found = 0.0, 0
    for first, grams, start in _chunks(made, clock, True):
        signatures = rensa.RMinHash.from_token_sets(grams, num_perm=128, seed=42)
        index.insert_many(signatures, first)
        found += sum(len(keys) > 1 for keys in index.query_all(signatures))
        seconds += clock() - start
    return seconds, found


CASES: dict[str, Callable[[list[str], Clock], tuple[float, int]]] = {
    "ours": ours, "flags": flags, "candidates": candidates, "sketch": sketch,
}  # fmt: skip


def _chunks(made: list[str], clock: Clock, timed: bool) -> Iterator[tuple[int, list[list[str]], float]]:
    """Yield the first row, the 3-grams of 20,000 texts, and when the clock started: before the 3-grams or after."""
    for first in range(0, len(made), 20_000):
        start = clock()
        split = [text.split() for text in made[first : first + 20_000]]
        grams = [[" ".join(gram) for gram in zip(words, words[1:], words[2:], strict=False)] for words in split]
        yield first, grams, start if timed else clock()


def _child(case: str, rows: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--case", case, "--rows", str(rows)]
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
