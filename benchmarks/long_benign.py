"""How often benign texts are flagged, by their length, under every aggregation of windows.

    python benchmarks/long_benign.py CHECKPOINT --data DATA --texts tuning [--json docs/results/long-benign-tuning.json]
    python benchmarks/long_benign.py CHECKPOINT --data DATA --texts reported [--json docs/results/long-benign.json]

Texts of a kind are joined to one stream, which is cut into windows as a guard does and scored once. A document of n
tokens is a slice of that stream; its long and its close windows are those inside the slice. Rates are over 400 slices
of each kind and length, over the kinds and policies; the stream begins anew at its end. The row "alone" has the
texts as they are, each in one window. A number is the slope of the calibration, a second one its limit; all columns but
the "long" ones read close windows too.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hostile_texts import reported, tuning
from scoring import Inside, Logits
from timing import report
from unigurd_sdk.aggregate import Method, aggregate, calibrate
from unigurd_sdk.segments import Segmenter

POLICIES = ("prompt-injection", "toxicity", "safety")
LENGTHS = (250, 1000, 4000)
SLICES = 400
WAYS: tuple[tuple[str, Method, float, float, bool], ...] = (
    ("long only", "max", 0.0, 0.0, False),
    ("long, 0.25", "max", 0.25, np.inf, False),
    ("long, 0.5", "max", 0.5, np.inf, False),
    ("long, 0.75", "max", 0.75, np.inf, False),
    ("max", "max", 0.0, 0.0, True),
    ("0.5", "max", 0.5, np.inf, True),
    ("0.75", "max", 0.75, np.inf, True),
    ("0.75, 3", "max", 0.75, 3.0, True),
    ("1", "max", 1.0, np.inf, True),
    ("noisy-or", "noisy-or", 0.0, 0.0, True),
    ("noisy-or, 1", "noisy-or", 1.0, np.inf, True),
    ("top-k", "top-k", 0.0, 0.0, True),
    ("top-k, 0.5", "top-k", 0.5, np.inf, True),
)
"""Name, method, slope, limit of the fall, and whether close windows are read."""

SHORT = 128
"""Tokens of a text that is shown alone."""


def main() -> None:
    """Score the streams and report."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--texts", choices=("tuning", "reported"), default="reported")
    parser.add_argument("--tokens", type=int, default=6000, help="tokens of each stream")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    inside = Inside(args.checkpoint, POLICIES)
    kinds = (tuning if args.texts == "tuning" else reported)(args.data)
    streams = {kind: stream(inside, texts, args.tokens) for kind, texts in kinds.items()}
    table = [
        {"texts": kind, **row(inside, group, tokens, args.tokens)}
        for kind, group in [*((kind, [each]) for kind, each in streams.items()), ("all", [*streams.values()])]
        for tokens in (0, *LENGTHS)
    ]
    report(f"Benign {args.texts} texts flagged, %, {len(POLICIES)} policies", table, args.json)


def stream(inside: Inside, texts: list[str], tokens: int) -> tuple[Logits, Logits, Logits]:
    """Score short texts alone, and the windows of all texts in a row: long ones and close ones."""
    encode = inside.long.tokenizer.encode
    short = [text for text in texts if len(encode(text).ids) <= SHORT][:80]
    alone = inside.score([ids for text in short for ids in inside.long.cut(text, "user").ids])
    joined = "\n\n".join(texts)[: tokens * 8]
    offsets = encode(joined).offsets
    joined = joined[: offsets[min(tokens, len(offsets)) - 1][1]]
    return alone, scored(inside, inside.long, joined), scored(inside, inside.close, joined)


def scored(inside: Inside, segmenter: Segmenter, text: str) -> Logits:
    """Score all windows of a text but the last one, which is not as far from its neighbour as the others are."""
    return inside.score(segmenter.cut(text, "user").ids[:-1])


def row(inside: Inside, streams: Sequence[tuple[Logits, Logits, Logits]], tokens: int, whole: int) -> dict[str, Any]:
    """Return the rate of every way at one length; 0 stands for the texts alone."""

    def rate(stream: tuple[Logits, Logits, Logits], way: Sequence[Any]) -> float:
        alone, *windows = stream
        return flagged(inside, slices(windows, tokens / whole, way) if tokens else alone)

    rates = {name: float(np.mean([rate(stream, way) for stream in streams])) for name, *way in WAYS}
    return {"tokens": str(tokens or "alone"), **rates}


def slices(stream: Sequence[Logits], share: float, way: Sequence[Any]) -> Logits:
    """Aggregate slices of a stream, each as long as a share of it, in one of the ways: [S, K]."""
    (method, slope, most, close), rng, found = way, np.random.default_rng(0), []
    for start in rng.random(SLICES):
        parts = [part(windows, start, share) for windows in stream[: 1 + close]]
        counts = [len(each) for each in parts]
        found.append(aggregate(calibrate(np.concatenate(parts), counts, slope, most), counts, method))
    return np.array(found)


def part(windows: Logits, start: float, share: float) -> Logits:
    """Return the windows of a slice, which may go over the end of the stream; one at least."""
    count = max(1, round(share * len(windows)))
    return windows[(int(start * len(windows)) + np.arange(count)) % len(windows)]


def flagged(inside: Inside, logits: Logits) -> float:
    """Return the share of texts and policies over the threshold, in percent."""
    return 100 * float((logits >= inside.thresholds).mean())


if __name__ == "__main__":
    main()
