"""Texts of the benchmarks of hostile inputs: attacks, and benign texts of many kinds, drawn from a data folder.

Rows of validation splits choose defaults; the figures that are reported are those of the development benchmarks
(`dev/`) and of texts that no data set has, such as the readme of every installed package and the standard library.
"""

from __future__ import annotations

import gzip
import json
import random
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

SENTENCE = (30, 250)
"""Characters of an attack that is a sentence or a few."""

Keep = Callable[[dict[str, Any]], bool]


def rows(path: Path, keep: Keep) -> Iterator[str]:
    """Give the texts of the rows of a file that are kept."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from (row["text"] for row in map(json.loads, lines) if keep(row))


def shuffled(texts: Iterator[str] | Sequence[str], seed: int = 0) -> list[str]:
    """Put distinct texts into an order that a seed fixes."""
    distinct = sorted(set(texts))
    random.Random(seed).shuffle(distinct)
    return distinct


def attacks(data: Path, count: int, longest: int = SENTENCE[1]) -> list[str]:
    """Draw injections in English from the validation rows of the pool and from `dev/`; none is trained on."""
    found = [
        *rows(data / "pool" / "injection.jsonl.gz", lambda row: row["split"] == "dev" and _attack(row, longest)),
        *rows(data / "dev" / "safeguard_train.jsonl.gz", lambda row: _attack(row, longest)),
    ]
    return shuffled(found)[:count]


def _attack(row: dict[str, Any], longest: int) -> bool:
    english = row["label"] == "unsafe" and row["lang"] == "en" and row["source"] != "hackaprompt_sample"
    return english and SENTENCE[0] <= len(row["text"]) <= longest


def tuning(data: Path) -> dict[str, list[str]]:
    """Benign texts to choose defaults by: validation rows of the pool."""
    pool = data / "pool"
    return {
        "articles": shuffled(rows(pool / "toxicity.jsonl.gz", lambda row: _safe(row) and "wiki" in row["source"])),
        "chat": shuffled(rows(pool / "chat.jsonl.gz", lambda row: row["split"] == "dev")),
        "instructions": shuffled(rows(pool / "injection.jsonl.gz", _safe)),
    }


def reported(data: Path) -> dict[str, list[str]]:
    """Benign texts to report on: development benchmarks and readmes."""
    dev = data / "dev"
    return {
        "chat": shuffled(rows(dev / "toxicchat_train.jsonl.gz", lambda row: row["label"] == "safe")),
        "prompts": shuffled(rows(dev / "awesome_prompts.jsonl.gz", lambda row: row["label"] == "safe")),
        "readmes": shuffled(readmes()),
    }


def _safe(row: dict[str, Any]) -> bool:
    return bool(row["split"] == "dev" and row["label"] == "safe" and row["lang"] == "en")


def readmes() -> Iterator[str]:
    """Give the paragraphs of the readme of every installed package."""
    for distribution in distributions():
        text = distribution.metadata.json.get("description")
        if isinstance(text, str):
            yield from (part for part in text.split("\n\n") if 80 < len(part) < 1000)


def mixed(data: Path, count: int) -> dict[str, list[str]]:
    """Draw benign texts in other languages, with emoji, in programming languages, and of readmes: `count` in all."""
    safe: Keep = lambda row: row["label"] == "safe"  # noqa: E731
    each = count // 4
    kinds = {
        "languages": rows(data / "dev" / "multilingual_hatecheck.jsonl.gz", safe),
        "emoji": rows(data / "pool" / "hate.jsonl.gz", lambda row: _safe(row) and row["source"] == "hatemoji_build"),
        "code": _code(),
        "readmes": readmes(),
    }
    return {kind: shuffled(texts)[:each] for kind, texts in kinds.items()}


def _code() -> Iterator[str]:
    """Give pieces of the standard library, eight lines each."""
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        lines = path.read_text(encoding="utf-8").splitlines()
        yield from ("\n".join(lines[at : at + 8]) for at in range(40, len(lines) - 12, 120))
