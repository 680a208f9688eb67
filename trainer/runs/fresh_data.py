"""Write a data folder for a MultiTaskGuard that goes on with rows that the shipped `uniguard` has not seen.

    python trainer/runs/fresh_data.py --data DATA --out FOLDER [--known 2.0] [--seed 0]

Validation rows of the half that `unigurd-train evaluate` does not report become training rows; of the rows that trained
`uniguard`, so many remain for each new one, so that it does not forget. The reported half stays as it is. A guard that
was trained on this is for measuring only: nothing is left to set its thresholds on.
"""

from __future__ import annotations

import gzip
import json
import random
import shutil
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from unigurd_trainer.corpus import Corpus
from unigurd_trainer.measure.sets import half

Row = dict[str, Any]
SAME = ("intents", "gip", "policies")


def main() -> None:
    """Write the folder."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument("--known", type=float, default=2.0, help="known rows for each new one")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of known rows")
    args = parser.parse_args()
    for name in SAME:
        shutil.copytree(args.data / name, args.out / name, dirs_exist_ok=True)
    corpus, rng = Corpus.read(args.data), random.Random(args.seed)
    for folder, found in (("sdg", corpus.conditioned), ("pool", corpus.pool)):
        dev = [row for row in found if row.split == "dev" and half(row.text, getattr(row, "group", "")) != "report"]
        fresh = {(row.policy, row.text) for row in dev if row.policy}
        print(folder, rewrite(args.data / folder, args.out / folder, fresh, args.known, rng))  # noqa: T201


def rewrite(data: Path, out: Path, fresh: set[tuple[str, str]], known: float, rng: random.Random) -> dict[str, int]:
    """Write the files of a folder anew; returns how many rows train, new and known ones."""
    files = {path.name: read(path) for path in sorted(data.iterdir())}
    labelled = [row for rows in files.values() for row in rows if row["split"] == "train" and row["policy"]]
    keys = sorted({row.get("group") or row["text"] for row in labelled})
    share = min(1.0, known * len(fresh) / len(labelled))
    kept = set(rng.sample(keys, round(share * len(keys))))
    counts = {"new": 0, "known": 0}
    for name, rows in files.items():
        chosen = [changed for row in rows if (changed := change(row, fresh, kept, counts)) is not None]
        write(out / name, chosen)
    return counts


def change(row: Row, fresh: set[tuple[str, str]], kept: set[str], counts: dict[str, int]) -> Row | None:
    """Let a new row train; leave out known ones that are not kept. Unlabelled chat stays."""
    if (row["policy"], row["text"]) in fresh and row["split"] == "dev":
        counts["new"] += 1
        return row | {"split": "train"}
    if row["split"] == "train" and row["policy"]:
        if (row.get("group") or row["text"]) not in kept:
            return None
        counts["known"] += 1
    return row


def read(path: Path) -> list[Row]:
    """Read the rows of a file."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in content.decode().split("\n") if line.strip()]


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write the rows of a file."""
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


if __name__ == "__main__":
    main()
