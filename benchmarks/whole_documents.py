"""How often whole benign documents are flagged, beside short texts of the same kinds.

    python benchmarks/whole_documents.py CHECKPOINT --data DATA [--half tuning] [--json docs/results/documents.json]

Documents are readmes of installed packages, the reference of the Python language, and long prompts and chat messages of
development benchmarks; none trains. They are split in two by their name: one half may choose the parameters of windows,
the other one is reported. Each is cut as a guard cuts it; views are left out. The short texts are paragraphs of the
same documents, and the short messages, of at most 128 tokens. Rates are over documents and three policies.
"""

from __future__ import annotations

import hashlib
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any, Literal

import numpy as np

from hostile_texts import rows
from scoring import Inside, Logits
from timing import report

POLICIES = ("prompt-injection", "toxicity", "safety")
LENGTHS = (128, 272, 600, 1500, 8000)
"""Tokens: short texts have at most the first, documents up to each of the others."""

SHORT, LONGEST, BATCH = 400, 30_000, 32
"""Short texts of a kind; characters of a document, which is cut there; windows that are scored together."""

WAYS = (
    ("long windows", False, False),
    ("long, calibrated", False, True),
    ("and close ones", True, False),
    ("both, calibrated", True, True),
)
"""Name, whether close windows are read, and whether logits fall with the number of windows."""

Half = Literal["tuning", "reported"]


@dataclass(frozen=True, slots=True)
class Read:
    """A document and the logits of its windows [W, K], long and close ones."""

    kind: str
    tokens: int
    long: Logits
    close: Logits

    def logits(self, close: bool, slope: float, most: float) -> Logits:
        """The worst logit under each policy [K], calibrated by the number of windows."""
        parts = [self.long, self.close] if close and len(self.long) > 1 else [self.long]
        return np.asarray(
            np.max([part.max(axis=0) - min(slope * float(np.log(len(part))), most) for part in parts], axis=0)
        )


def main() -> None:
    """Score the documents and report."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--half", choices=("tuning", "reported"), default="reported")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    inside = Inside(args.checkpoint, POLICIES)
    read = [*read_all(inside, args.data, args.half)]
    report(f"Benign documents flagged, %, {len(POLICIES)} policies, {args.half} half", table(inside, read), args.json)


def read_all(inside: Inside, data: Path, half: Half, most: int | None = None) -> Iterator[Read]:
    """Score the documents, at most so many of a kind, and the short texts of a half."""
    for kind, every in documents(data, half).items():
        texts = every[:most]
        short = [part for text in texts for part in text.split("\n\n") if 80 < len(part) < 1000]
        for text in (*texts, *short[:: max(1, len(short) // SHORT)]):
            tokens = len(inside.long.tokenizer.encode(text).ids)
            if tokens <= LENGTHS[0] or len(text) > 400:
                yield Read(kind, tokens, *(windows(inside, each, text) for each in (inside.long, inside.close)))


def windows(inside: Inside, segmenter: Any, text: str) -> Logits:  # noqa: ANN401
    """Score the windows of a text, those of about a length together."""
    ids = sorted(segmenter.cut(text, "user").ids, key=len)
    return np.concatenate([inside.score(ids[at : at + BATCH]) for at in range(0, len(ids), BATCH)])


def documents(data: Path, half: Half) -> dict[str, list[str]]:
    """Benign texts of a half, by kind."""
    names = {each.metadata["Name"]: each.metadata.json.get("description") for each in distributions()}
    kinds = {
        "readmes": {name: text for name, text in names.items() if isinstance(text, str) and len(text) > SHORT},
        "reference": {name: text for name, text in topics.items() if len(text) > SHORT},
        "chat": {text: text for text in safe(data / "dev" / "toxicchat_train.jsonl.gz")},
        "prompts": {text: text for text in safe(data / "dev" / "awesome_prompts.jsonl.gz")},
    }
    return {
        kind: [text[:LONGEST] for name, text in sorted(found.items()) if half_of(name) == half]
        for kind, found in kinds.items()
    }


def safe(path: Path) -> Iterator[str]:
    """Give the safe texts of a file."""
    return rows(path, lambda row: row["label"] == "safe")


def half_of(name: str) -> Half:
    """Say which half a document is of; it follows from its name."""
    return "tuning" if hashlib.sha256(name.encode("utf-8", "replace")).digest()[0] % 2 else "reported"


def table(inside: Inside, read: Sequence[Read]) -> list[dict[str, Any]]:
    """Give the rates: by kind and length, and of all."""
    found = []
    for kind in (*dict.fromkeys(each.kind for each in read), "all"):
        of_kind = [each for each in read if kind in (each.kind, "all")]
        for low, high in zip((0, *LENGTHS), LENGTHS, strict=False):
            group = [each for each in of_kind if low < each.tokens <= high]
            if group:
                found.append({"texts": kind, "tokens": f"to {high}", "count": len(group), **rates(inside, group)})
    return found


def shipped(inside: Inside, read: Sequence[Read]) -> tuple[float, float]:
    """Give the rates of short texts and of documents of more than one window, as the checkpoint says, in percent."""
    way = WAYS[3 if inside.manifest.reads_close else 1][0]
    short = [each for each in read if each.tokens <= LENGTHS[0]]
    return rates(inside, short)[way], rates(inside, [each for each in read if len(each.long) > 1])[way]


def rates(inside: Inside, group: Sequence[Read]) -> dict[str, float]:
    """Give the share over the threshold in every way, in percent."""
    slope, most = inside.manifest.window_slope, inside.manifest.window_most
    return {
        name: 100
        * float(np.mean([each.logits(close, slope * calibrated, most) >= inside.thresholds for each in group]))
        for name, close, calibrated in WAYS
    }


if __name__ == "__main__":
    main()
