"""How long it takes to find where a trim cuts: the k-th largest magnitude, by several means.

    python benchmarks/magnitudes.py [--rounds 5] [--json out.json]

The vectors have the sizes of tensors of MiniLM-L6: attention, feed-forward, word embeddings. One thread, a fifth is
kept. All means run in turn, on processor time; each finds the same magnitude.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timing import report
from unigurd_trainer.merge.magnitude import find_cuts
from unigurd_trainer.merge.vectors import blocks

SIZES = (384 * 384, 384 * 1536, 30522 * 384)
SHARE = 0.2

MEANS: Mapping[str, Callable[[Tensor, int], float]] = {
    "torch.sort": lambda vector, keep: float(vector.abs().sort(descending=True).values[keep - 1]),
    "torch.topk": lambda vector, keep: float(vector.abs().topk(keep, sorted=False).values.min()),
    "torch.kthvalue": lambda vector, keep: float(vector.abs().kthvalue(len(vector) - keep + 1).values),
    "numpy.partition": lambda vector, keep: float(np.partition(vector.abs().numpy(), -keep)[-keep]),
    "by bits": lambda vector, keep: find_cuts(lambda: [blocks(vector)], keep)[0].magnitude,
}


def main() -> None:
    """Measure each size."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = [measure(size, args.rounds) for size in SIZES]
    report("Finding the k-th largest magnitude, one thread (median milliseconds of processor time)", rows, args.json)


def measure(size: int, rounds: int) -> dict[str, Any]:
    """Time all means in turn."""
    vector = 0.01 * torch.randn(size, generator=torch.Generator().manual_seed(0))
    keep = int(SHARE * size)
    taken: dict[str, list[float]] = {name: [] for name in MEANS}
    found = set()
    for _ in range(rounds):
        for name, find in MEANS.items():
            start = time.process_time()
            found.add(find(vector, keep))
            taken[name].append(time.process_time() - start)
    if len(found) > 1:
        raise SystemExit(f"They do not agree: {found}")
    return {"values": size, **{name: 1000 * median(seconds) for name, seconds in taken.items()}}


if __name__ == "__main__":
    main()
