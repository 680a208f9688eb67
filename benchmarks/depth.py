"""Whether an attack is found wherever it stands in a benign document, as often as it is found alone.

    python benchmarks/depth.py CHECKPOINT --data DATA [--attacks 200] [--json docs/results/depth.json]

Each attack is put into a document of one of four lengths, made of paragraphs of encyclopedia talk pages, at one of five
places: the start, the end, somewhere, and across the border of a long and of a close window. The document is cut as a
guard cuts it, and of its windows those are scored that hold a part of the attack: an attack counts as found if one of
them reaches the threshold. An alarm elsewhere in the document does not count. Every row says what is found of its
attacks alone.
"""

from __future__ import annotations

import random
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hostile_texts import attacks, tuning
from scoring import Inside, Logits
from timing import report
from unigurd_sdk.template import Role
from unigurd_sdk.windows import Span

POLICY = "prompt-injection"
ROLE: Role = "document"
LENGTHS = (200, 1000, 5000, 20_000)
PLACES = ("start", "end", "anywhere", "long border", "close border")
WAYS = (
    ("long windows", False, False),
    ("long, calibrated", False, True),
    ("and close ones", True, False),
    ("as shipped", None, True),
)
"""Name, whether close windows are read (None: as the checkpoint says), and whether the score is calibrated."""


@dataclass(frozen=True, slots=True)
class Hit:
    """The windows of a document that hold a part of its attack: logits by part, and how many windows the part has."""

    length: int
    place: str
    alone: float
    parts: tuple[tuple[Logits, int], ...]

    def logit(self, close: bool, slope: float, most: float) -> float:
        """Return the worst logit, calibrated by the number of windows."""
        parts = self.parts if close else self.parts[:1]
        return max(float(logits.max()) - min(slope * float(np.log(count)), most) for logits, count in parts)


def main() -> None:
    """Place the attacks, score and report."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--attacks", type=int, default=200)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    inside = Inside(args.checkpoint, [POLICY])
    hits = place_all(inside, args.data, args.attacks)
    report(f"{len(hits)} attacks found, %", table(inside, hits), args.json)


def place_all(inside: Inside, data: Path, count: int) -> list[Hit]:
    """Put attacks into documents and score them."""
    host = "\n".join(tuning(data)["articles"])
    return [hit(inside, host, attack, number) for number, attack in enumerate(attacks(data, count))]


def hit(inside: Inside, host: str, attack: str, number: int) -> Hit:
    """Put an attack into a document and score the windows that hold a part of it."""
    length, place = LENGTHS[number % len(LENGTHS)], PLACES[number % len(PLACES)]
    rng = random.Random(number)
    begin = rng.randrange(len(host) // 4)
    document = cut_to(inside, (host[begin:] + "\n" + host[:begin]) * (1 + length // 12_000), length)
    text, span = placed(inside, document, attack, place, rng)
    parts = []
    for segmenter in (inside.long, inside.close):
        cut = segmenter.cut(text, ROLE)
        held = [ids for ids, (start, end) in zip(cut.ids, cut.spans, strict=True) if start < span[1] and span[0] < end]
        parts.append((inside.score(held)[:, 0], len(cut.ids)))
    alone = float(inside.score(inside.long.cut(attack, ROLE).ids).max())
    return Hit(length, place, alone, tuple(parts))


def cut_to(inside: Inside, text: str, tokens: int) -> str:
    """Return the first tokens of a text."""
    some = text[: tokens * 8]
    return some[: inside.long.tokenizer.encode(some).offsets[tokens - 1][1]]


def placed(inside: Inside, document: str, attack: str, place: str, rng: random.Random) -> tuple[str, Span]:
    """Put the attack between two words of a document; return the text and where the attack is."""
    at = {"start": 0, "end": len(document), "anywhere": rng.randrange(len(document))}.get(place)
    if at is None:
        segmenter = inside.long if place == "long border" else inside.close
        ends = [end for _, end in segmenter.cut(document, ROLE).spans]
        at = max(0, rng.choice(ends) - len(attack) // 2)
    at = document.find(" ", at) + 1 or (len(document) if at else 0) if at else 0
    before = document[:at].rstrip() + "\n" if at else ""
    return f"{before}{attack}\n{document[at:]}", (len(before), len(before) + len(attack))


def table(inside: Inside, hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """Give the share found: of all, by length and by place."""
    threshold, rows = float(inside.thresholds[0]), []
    slope, most = inside.manifest.window_slope, inside.manifest.window_most
    ways = [
        (name, inside.manifest.reads_close if close is None else close, calibrated) for name, close, calibrated in WAYS
    ]
    groups = [("any", list(hits))]
    groups += [(f"{length} tokens", [each for each in hits if each.length == length]) for length in LENGTHS]
    groups += [(f"at {place}", [each for each in hits if each.place == place]) for place in PLACES]
    for name, group in groups:
        found = {
            way: 100 * float(np.mean([each.logit(close, slope * calibrated, most) >= threshold for each in group]))
            for way, close, calibrated in ways
        }
        alone = 100 * float(np.mean([each.alone >= threshold for each in group]))
        rows.append({"document": name, "attacks": len(group), "alone": alone, **found})
    return rows


if __name__ == "__main__":
    main()
