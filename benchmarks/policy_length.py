"""Whether a check costs more under a long policy than under a short one, and under more policies than one.

    python benchmarks/policy_length.py CHECKPOINT [--threads 1] [--tokens 64] [--json out.json]

Policies are encoded before the clock starts, as they are for every check but the first.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from latency import text_of
from timing import interleaved, report
from unigurd_sdk import Guard, Policy
from unigurd_sdk.registry import builtin_policies

SENTENCES = (
    "Only answer questions about the products of this shop and their delivery.",
    "Do not give advice about medicines, doses or treatments.",
    "Refuse to discuss politics, elections or parties.",
    "Never name prices that are not in the catalogue.",
    "Do not compare the shop with its competitors.",
)


WORDS = (20, 100, 400)


def main() -> None:
    """Measure the median milliseconds of a check of the same text."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("checkpoint", type=Path, help="checkpoint folder")
    parser.add_argument("--threads", type=int, default=1, help="threads of one operation")
    parser.add_argument("--tokens", type=int, default=64, help="length of the text")
    parser.add_argument("--rounds", type=int, default=100, help="interleaved rounds; at least 50")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    rows = measure(args.checkpoint, args.threads, args.tokens, args.rounds)
    title = f"{args.checkpoint.name}: a text of {args.tokens} tokens, {args.threads} thread(s) (median ms)"
    report(title, rows, args.json)


def measure(folder: Path, threads: int, tokens: int, rounds: int) -> list[dict[str, Any]]:
    """Measure all policies in the same rounds; the ratio is to the shortest policy."""
    text = text_of(folder, tokens)
    with Guard.from_pretrained(folder, threads=threads, runtime="onnx") as guard:
        calls: dict[str, Callable[[], object]] = {}
        for words in WORDS:
            calls[f"1 policy, {words} words"] = partial(guard.check, text, policy=policy_of(words))
        for count in range(1, 11):
            calls[f"{count} built-in"] = partial(guard.check, text, policies=list(builtin_policies())[:count])
        taken = interleaved(calls, rounds)
    base = taken[f"1 policy, {WORDS[0]} words"]
    return [{"policies": name, "check ms": ms, "ratio": ms / base} for name, ms in taken.items()]


def policy_of(words: int) -> Policy:
    """Write a policy of exactly `words` words."""
    prose = cycle(" ".join(SENTENCES).split())
    return Policy(name=f"words-{words}", description=" ".join(islice(prose, words)))


if __name__ == "__main__":
    main()
