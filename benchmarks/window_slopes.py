"""What each slope of the correction for many windows gives: benign documents flagged, and attacks in documents found.

    python benchmarks/window_slopes.py CHECKPOINT --data DATA [--documents 40] [--attacks 200] [--json out.json]

Documents are of the tuning half (`whole_documents.py`), attacks those of `depth.py`; long windows are read alone, and
close ones with them. The first row has short texts, and the attacks alone.
"""

from __future__ import annotations

from argparse import ArgumentParser
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import depth
import whole_documents
from scoring import Inside
from timing import report

SLOPES = (0.0, 0.25, 0.5, 0.75)
MOST = 3.0


def main() -> None:
    """Score once, and report every slope."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--documents", type=int, default=40, help="of a kind")
    parser.add_argument("--attacks", type=int, default=200)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    inside = Inside(args.checkpoint, whole_documents.POLICIES)
    read = [*whole_documents.read_all(inside, args.data, "tuning", args.documents)]
    one = Inside(args.checkpoint, [depth.POLICY])
    report("Flagged and found, %", table(inside, read, depth.place_all(one, args.data, args.attacks)), args.json)


def table(inside: Inside, read: list[whole_documents.Read], hits: list[depth.Hit]) -> list[dict[str, Any]]:
    """Give the rates of short texts, and of documents at every slope, without close windows and with them."""
    thresholds = inside.thresholds
    short = [each.long.max(axis=0) >= thresholds for each in read if each.tokens <= whole_documents.LENGTHS[0]]
    documents = [each for each in read if len(each.long) > 1]
    rows = [{"": "alone", "flagged": _percent(short), "found": _percent([hit.alone >= thresholds[0] for hit in hits])}]
    for close, slope in product((False, True), SLOPES):
        flagged = [each.logits(close, slope, MOST) >= thresholds for each in documents]
        found = [hit.logit(close, slope, MOST) >= thresholds[0] for hit in hits]
        name = f"documents, {'close windows too' if close else 'long windows'}, slope {slope}"
        rows.append({"": name, "flagged": _percent(flagged), "found": _percent(found)})
    return rows


def _percent(values: list[Any]) -> float:
    return 100 * float(np.mean(values))


if __name__ == "__main__":
    main()
