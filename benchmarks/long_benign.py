"""How often benign texts are flagged, by their length, under every aggregation of windows.

    python benchmarks/long_benign.py CHECKPOINT --data DATA --texts tuning [--json docs/results/long-benign-tuning.json]
    python benchmarks/long_benign.py CHECKPOINT --data DATA --texts reported [--json docs/results/long-benign.json]

Texts of a kind are joined to one stream, which is cut into windows as a guard does and scored once. A document of n
tokens is a slice of that stream; its long and its close windows are those inside the slice. Rates are over 400 slices
of each kind and length, and over the kinds and policies; the stream begins anew at its end. The row "alone" has the
texts as they are, each in one window.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np

from hostile_texts import reported, tuning
from scoring import Inside, Logits
from timing import report
from unigurd_sdk.aggregate import Method, aggregate, calibrate
from unigurd_sdk.segments import Segmenter

POLICIES = ("prompt-injection", "indirect-injection", "toxicity", "safety")
LENGTHS = (250, 1000, 4000, 16_000)
SLICES = 400
WAYS: tuple[tuple[str, Method, float, bool], ...] = (
    ("max, long windows", "max", 0.0, False),
    ("max", "max", 0.0, True),
    ("max, slope 0.25", "max", 0.25, True),
    ("max, slope 0.5", "max", 0.5, True),
    ("max, slope 0.75", "max", 0.75, True),
    ("max, slope 1", "max", 1.0, True),
    ("noisy-or", "noisy-or", 0.0, True),
    ("noisy-or, slope 1", "noisy-or", 1.0, True),
    ("top-k", "top-k", 0.0, True),
    ("top-k, slope 0.5", "top-k", 0.5, True),
)


def main() -> None:
    """Score the streams and report."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--texts", choices=("tuning", "reported"), default="reported")
    parser.add_argument("--tokens", type=int, default=12_000, help="tokens of each stream")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    inside = Inside(args.checkpoint, POLICIES)
    kinds = (tuning if args.texts == "tuning" else reported)(args.data)
    streams = {kind: stream(inside, texts, args.tokens) for kind, texts in kinds.items()}
    alone = np.concatenate([each for each, _, _ in streams.values()])
    table = [{"tokens": "alone", **{name: flagged(inside, alone) for name, *_ in WAYS}}]
    table += [row(inside, streams, tokens, args.tokens) for tokens in LENGTHS if tokens < 2 * args.tokens]
    report(f"Benign {args.texts} texts flagged, % of slices and {len(POLICIES)} policies", table, args.json)


def stream(inside: Inside, texts: list[str], tokens: int) -> tuple[Logits, Logits, Logits]:
    """Score short texts alone, and the windows of all texts in a row: long ones and close ones."""
    encode = inside.long.tokenizer.encode
    short = [text for text in texts if len(encode(text).ids) <= inside.manifest.close_above][:150]
    alone = inside.score([ids for text in short for ids in inside.long.cut(text, "user").ids])
    joined = "\n\n".join(texts)[: tokens * 8]
    offsets = encode(joined).offsets
    joined = joined[: offsets[min(tokens, len(offsets)) - 1][1]]
    return alone, scored(inside, inside.long, joined), scored(inside, inside.close, joined)


def scored(inside: Inside, segmenter: Segmenter, text: str) -> Logits:
    """Score all windows of a text but the last one, which is not as far from its neighbour as the others are."""
    return inside.score(segmenter.cut(text, "user").ids[:-1])


def row(inside: Inside, streams: dict[str, tuple[Logits, Logits, Logits]], tokens: int, whole: int) -> dict[str, Any]:
    """Return the rate of every way at one length."""
    return {"tokens": str(tokens)} | {
        name: 100 * float(np.mean([
            flagged(inside, slices(long, close, tokens / whole, method, slope, read_close)) / 100
            for _, long, close in streams.values()
        ]))
        for name, method, slope, read_close in WAYS
    }  # fmt: skip


def slices(long: Logits, close: Logits, share: float, method: Method, slope: float, read_close: bool) -> Logits:
    """Aggregate slices of a stream, each as long as a share of it: [S, K]."""
    rng, found = np.random.default_rng(0), []
    for start in rng.random(SLICES):
        parts = [part(long, start, share)] + ([part(close, start, share)] if read_close else [])
        counts = [len(each) for each in parts]
        found.append(aggregate(calibrate(np.concatenate(parts), counts, slope), counts, method))
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
