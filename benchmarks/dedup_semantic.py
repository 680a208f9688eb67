"""What the semantic tier of de-duplication finds of planted duplicates, and what it costs.

    python benchmarks/dedup_semantic.py --data DATA [--rows 100000] [--json out.json]
    python benchmarks/dedup_semantic.py [--rows 100000] [--json out.json]

With `--data`, on distinct texts of a data folder, among which a tenth as many lightly edited copies are planted, all
embedded with the bundled guard (kept in `--cache` for the next run). Without, on made-up vectors that lie around
topics; every tenth is an earlier one turned by a random angle of cosine .91 to .99.

Recall is the share of planted rows that end up in the component of their original, and, of all pairs that an exact
search finds, the share in one component. "faiss alone" is an `IndexIVFFlat` of as many cells, 8 of them probed, that is
asked for the same number of neighbours. Times are processor time, memory is the peak above the vectors.
"""

from __future__ import annotations

import math
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edited_texts import EditedTexts, edited_texts
from timing import memory, report
from unigurd_trainer.dedup.components import Components
from unigurd_trainer.dedup.extra import load
from unigurd_trainer.dedup.links import Pairs
from unigurd_trainer.dedup.semantic import NEIGHBOURS, TAU, Vectors, alike

WIDTH = 384
TOPIC = 0.6  # cosine of a vector and its topic: about that of texts on one subject
PART = 1_000  # vectors made at once, so that making them is not the peak of the memory
FUTURE = 10_000_000
PROBED = 8
BLOCK = 1_024


def main() -> None:
    """Measure recall, time and memory, and extrapolate."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, help="the data folder; without one, vectors are made up")
    parser.add_argument("--rows", type=int, default=100_000, help="vectors, or distinct texts")
    parser.add_argument("--cache", type=Path, default=Path("runs/dedup-vectors.npz"), help="file of the embedded texts")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    load("faiss", purpose="This benchmark").omp_set_num_threads(1)
    made = None
    if args.data is not None:
        made = edited_texts(args.data, args.rows, args.rows // 10, TAU, args.cache)
    vectors, original = planted(args.rows) if made is None else (made.vectors, made.original)
    measures = searched(vectors, original) | ({} if made is None else embedding(made))
    seconds = measures["search, s"]
    if made is not None:
        measures["tier / embedding alone"] = 1 + seconds / len(vectors) / (made.seconds / made.embedded)
    measures["10M rows: hours of search, one core"] = _future(seconds, len(vectors)) / 3600
    rows = [{"measure": name, "value": value} for name, value in measures.items()]
    report(f"semantic tier, {len(vectors):,} {'vectors' if made is None else 'texts'}", rows, args.json)


def searched(vectors: Vectors, original: NDArray[np.int64]) -> dict[str, Any]:
    """Measure our search, faiss alone, and an exact search, on the same vectors."""
    ours = timed(lambda: alike(vectors), len(vectors))
    floor = timed(lambda: ivf(vectors), len(vectors))
    copies = np.flatnonzero(original >= 0)
    exact = Exact.of(vectors, [ours.components.roots, floor.components.roots])
    rows = len(vectors)
    measures: dict[str, Any] = {"rows": rows, "planted": len(copies)}
    for name, case, share in (("", ours, exact.joined[0]), ("faiss alone: ", floor, exact.joined[1])):
        roots = case.components.roots
        measures |= {
            f"{name}recall of planted": f"{(roots[copies] == roots[original[copies]]).mean():.4f}",
            f"{name}recall of exact pairs": f"{share / max(exact.pairs, 1):.4f}",
            f"{name}dropped": rows - case.kept, f"{name}search, s": case.seconds,
            f"{name}us per row": 1e6 * case.seconds / rows, f"{name}peak, MB": case.peak / 1e6,
        }  # fmt: skip
    return measures | {
        "search / faiss alone": ours.seconds / floor.seconds, "vectors, MB": vectors.nbytes / 1e6,
        "exact: pairs": exact.pairs, "exact: dropped": rows - exact.kept, "exact: s": exact.seconds,
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One search: the components that it found, its processor time, and the peak of memory above that at its start."""

    components: Components
    seconds: float
    peak: int

    @property
    def kept(self) -> int:
        """Rows that stay."""
        return int((self.components.roots == np.arange(len(self.components.roots))).sum())


def timed(search: Callable[[], Pairs], rows: int) -> Case:
    """Run a search and join what it finds."""
    before, start = _reset_peak(), time.process_time()
    pairs = search()
    seconds, peak = time.process_time() - start, memory("VmHWM") - before
    components = Components(rows)
    components.join(pairs.left, pairs.right)
    return Case(components, seconds, peak)


def ivf(vectors: Vectors) -> Pairs:
    """Search with what faiss itself has for sets of this size."""
    faiss = load("faiss", purpose="This benchmark")
    cells = 3 * int(len(vectors) ** 0.5)
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(vectors.shape[1]), vectors.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter, index.cp.max_points_per_centroid, index.cp.min_points_per_centroid = 4, 32, 1
    index.train(vectors)
    index.add(vectors)
    index.nprobe = PROBED
    cosines, nearest = index.search(vectors, NEIGHBOURS + 1)
    row, rank = np.nonzero(cosines >= TAU)
    other = nearest[row, rank]
    return Pairs(row, other, cosines[row, rank].astype(np.float64)).where(row != other)


@dataclass(frozen=True, slots=True)
class Exact:
    """All pairs with a cosine of `TAU`: how many, how many of them each of some searches joined, rows that stay."""

    pairs: int
    joined: tuple[int, ...]
    kept: int
    seconds: float

    @classmethod
    def of(cls, vectors: Vectors, found: list[NDArray[np.int64]]) -> Exact:
        """Compare every vector with every other, block by block."""
        start, pairs, joined = time.process_time(), 0, [0] * len(found)
        components = Components(len(vectors))
        for at in range(0, len(vectors), BLOCK):
            left, right = np.nonzero(vectors[at : at + BLOCK] @ vectors[at:].T >= TAU)
            left, right = left[left < right] + at, right[left < right] + at
            pairs += len(left)
            for place, roots in enumerate(found):
                joined[place] += int((roots[left] == roots[right]).sum())
            components.join(left, right)
        kept = int((components.roots == np.arange(len(vectors))).sum())
        return cls(pairs, tuple(joined), kept, time.process_time() - start)


def embedding(made: EditedTexts) -> dict[str, Any]:
    """Say what embedding cost, and how many edits were duplicates by their cosine."""
    return {
        "edits with the cosine of a duplicate": f"{made.reached} of {made.tried}",
        "embedding, s": made.seconds, "embedding, us per row": 1e6 * made.seconds / made.embedded,
        "words per text": float(np.mean([len(text.split()) for text in made.texts])),
    }  # fmt: skip


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


def _future(seconds: float, rows: int) -> float:
    """Extrapolate to 10M rows: with a number of cells that grows as sqrt(N), a row costs sqrt(N)."""
    return seconds * math.sqrt(FUTURE / rows) * FUTURE / rows


def _unit(vectors: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _reset_peak() -> int:
    """Forget the peak of this process's memory (Linux); returns the bytes in use now."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


if __name__ == "__main__":
    main()
