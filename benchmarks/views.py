"""What views find of disguised attacks, and what they cost on benign texts that look unusual.

    python benchmarks/views.py CHECKPOINT --data DATA [--attacks 200] [--benign 1000] [--json docs/results/views.json]
        [--benign-json docs/results/views-benign.json]

Each attack is checked alone and under every trick, once by the text itself ("before") and once with all its readings
("after"). The benign texts are in ten languages, with emoji, code, and paragraphs of readmes.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hostile_texts import attacks, mixed
from scoring import Inside, Logits
from timing import report
from tricks import TRICKS
from unigurd_sdk.aggregate import aggregate, calibrate
from unigurd_sdk.scan import Scan
from unigurd_sdk.template import Role

POLICY = "prompt-injection"
BENIGN = ("prompt-injection", "toxicity", "safety", "tax")
MEASURED = (
    "tags", "selectors", "bidi", "zero width", "full width", "cyrillic", "accents", "base64", "base64 twice",
    "hexadecimal", "url, all", "leetspeak", "letters apart", "reversed", "reversed words", "upside down", "rot13",
)  # fmt: skip
LONGEST = 90
ROLE: Role = "user"


def main() -> None:
    """Measure both tables."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--attacks", type=int, default=200)
    parser.add_argument("--benign", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="also write the rows of attacks to this file")
    parser.add_argument("--benign-json", type=Path, help="also write the rows of benign texts to this file")
    args = parser.parse_args()
    if args.benign:
        inside = Inside(args.checkpoint, BENIGN)
        report("Benign texts flagged, %", benign(inside, args.data, args.benign), args.benign_json)
    if args.attacks:
        report(f"{args.attacks} attacks found, %", disguised(args.checkpoint, args.data, args.attacks), args.json)


def disguised(checkpoint: Path, data: Path, count: int) -> list[dict[str, Any]]:
    """Return what is found of the attacks under each trick."""
    inside, table = Inside(checkpoint, [POLICY]), []
    chosen = [attack.lower() for attack in attacks(data, count, LONGEST)]
    for trick in ("none", *MEASURED):
        before, after = both(inside, [TRICKS[trick](text) if trick in TRICKS else text for text in chosen])
        table.append({"trick": trick, "before": share(inside, before), "after": share(inside, after)})
    return table


def benign(inside: Inside, data: Path, count: int) -> list[dict[str, Any]]:
    """Return what is flagged of benign texts, over all policies, and how many texts have another reading to score."""
    table, every = [], []
    for kind, texts in mixed(data, count).items():
        scans = [inside.scan(text, ROLE) for text in texts]
        before, after = scored(inside, scans)
        every.append((before, after, [len(scan.views) > 1 for scan in scans]))
        table.append(_benign(inside, kind, *every[-1]))
    before, after = (np.concatenate(parts) for parts in ([each[0] for each in every], [each[1] for each in every]))
    return [*table, _benign(inside, "all", before, after, [read for each in every for read in each[2]])]


def _benign(inside: Inside, kind: str, before: Logits, after: Logits, read: Sequence[bool]) -> dict[str, Any]:
    flagged = {"before": share(inside, before), "after": share(inside, after)}
    return {"texts": kind, "number": len(before), **flagged, "with another reading": 100 * float(np.mean(read))}


def both(inside: Inside, texts: Sequence[str]) -> tuple[Logits, Logits]:
    """Score texts without and with views: two times [N, K]."""
    return scored(inside, [inside.scan(text, ROLE) for text in texts])


def scored(inside: Inside, scans: Sequence[Scan]) -> tuple[Logits, Logits]:
    """Score scans by the text itself only, and by all readings."""
    logits = inside.score([ids for scan in scans for ids in scan.ids])
    each = np.split(logits, np.cumsum([len(scan.ids) for scan in scans])[:-1])
    before = [decided(inside, part, scan, raw_only=True) for part, scan in zip(each, scans, strict=True)]
    after = [decided(inside, part, scan, raw_only=False) for part, scan in zip(each, scans, strict=True)]
    return np.array(before), np.array(after)


def decided(inside: Inside, logits: Logits, scan: Scan, *, raw_only: bool) -> Logits:
    """Aggregate the windows of a scan as a guard does."""
    counts = [count for name, count in scan.parts if name == "raw" or not raw_only]
    manifest = inside.manifest
    kept = calibrate(logits[: sum(counts)], counts, manifest.window_slope, manifest.window_most)
    return aggregate(kept, counts, manifest.aggregation)


def share(inside: Inside, logits: Logits) -> float:
    """Return how many are over the threshold, in percent."""
    return 100 * float((logits >= inside.thresholds).mean())


if __name__ == "__main__":
    main()
