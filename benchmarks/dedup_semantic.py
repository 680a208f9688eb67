"""What the semantic tier of de-duplication finds of planted duplicates, and what it costs.

    python benchmarks/dedup_semantic.py [--rows 100000] [--embed 2000] [--json out.json]

Vectors lie around topics, as sentence embeddings do. Every tenth row is planted: an earlier row turned by a random
angle of cosine .91 to .99. Recall is the share of planted rows that end up in the component of their original.
"""

from __future__ import annotations

import math
import random
import resource
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timing import report
from unigurd_trainer.dedup.components import Components
from unigurd_trainer.dedup.semantic import Vectors, alike

WIDTH = 384
TOPIC = 0.6  # cosine of a vector and its topic: about that of texts on one subject
PART = 1_000  # vectors made at once, so that making them is not the peak of the memory
FUTURE = 10_000_000


def main() -> None:
    """Measure recall, time and memory, and extrapolate."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="vectors")
    parser.add_argument("--embed", type=int, default=0, help="also time the bundled encoder on so many texts")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    vectors, original = planted(args.rows)
    before = _peak()
    start = time.process_time()
    pairs = alike(vectors)
    seconds = time.process_time() - start
    peak = _peak() - before
    components = Components(len(vectors))
    components.join(pairs.left, pairs.right)
    copies = np.flatnonzero(original >= 0)
    found = components.roots[copies] == components.roots[original[copies]]
    extra = int((components.roots != np.arange(len(vectors))).sum()) - int(found.sum())
    measures = {
        "planted": len(copies), "recall of planted": f"{found.mean():.4f}", "others joined": extra,
        "seconds": seconds, "us per row": 1e6 * seconds / args.rows, "vectors, MB": vectors.nbytes / 1e6,
        "peak above them, MB": peak / 1e6, "10M rows: hours of one core": _future(seconds, args.rows) / 3600,
    }  # fmt: skip
    if args.embed:
        measures["to embed, ms per text"] = embedding(args.embed)
    rows = [{"measure": name, "value": value} for name, value in measures.items()]
    report(f"semantic tier, {args.rows:,} vectors of {WIDTH}", rows, args.json)


def planted(rows: int, seed: int = 0) -> tuple[Vectors, NDArray[np.int64]]:
    """Make unit vectors, and for each the row that it was made from, or -1."""
    rng = np.random.default_rng(seed)
    topics = _unit(rng.standard_normal((max(rows // 200, 1), WIDTH)))
    vectors = np.empty((rows, WIDTH), np.float32)
    original = np.full(rows, -1, np.int64)
    for start in range(0, rows, PART):
        part = vectors[start : start + PART]
        topic = topics[rng.integers(0, len(topics), len(part))]
        part[:] = TOPIC * topic + math.sqrt(1 - TOPIC**2) * _unit(rng.standard_normal(part.shape))
        part[:] = _unit(part)
        copies = np.arange(9, len(part), 10)
        sources = copies - rng.integers(1, 9, len(copies))
        part[copies] = _turned(part[sources], rng)
        original[start + copies] = start + sources
    return vectors, original


def _turned(vectors: Vectors, rng: np.random.Generator) -> NDArray[np.floating[Any]]:
    """Turn unit vectors to a random side."""
    cosine = rng.uniform(0.91, 0.99, (len(vectors), 1))
    noise = rng.standard_normal(vectors.shape)
    side = _unit(noise - (noise * vectors).sum(1, keepdims=True) * vectors)
    return np.asarray(cosine * vectors + np.sqrt(1 - cosine**2) * side)


def embedding(count: int) -> float:
    """Time the bundled encoder on one thread: milliseconds a text of 8 to 30 words."""
    from unigurd_trainer.sdg.embedding import GuardEmbedder

    rng = random.Random(0)
    words = "the a of house river tax how do i hide income boat legal price offer note plan is my".split()
    texts = [" ".join(rng.choices(words, k=rng.randint(8, 30))) for _ in range(count)]
    embedder = GuardEmbedder.bundled(threads=1)
    start = time.process_time()
    embedder.embed(texts)
    return 1000 * (time.process_time() - start) / count


def _future(seconds: float, rows: int) -> float:
    """Extrapolate to 10M rows: with a number of cells that grows as sqrt(N), a row costs sqrt(N)."""
    return seconds * math.sqrt(FUTURE / rows) * FUTURE / rows


def _unit(vectors: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
