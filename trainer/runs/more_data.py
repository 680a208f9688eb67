"""Write a data folder that has what `trainer/data` adds to another one: more policies, rows for them, documents.

    python trainer/runs/more_data.py --data DATA --more trainer/data --out runs/data
    python trainer/runs/more_data.py --data DATA --skip packages --out runs/data-second

The second form has what the second generation was trained on, without readmes and manuals of packages.
Files of `trainer/data/written` are YAML, a list of policies each with its texts: `twins` are (kind, violating,
compliant), `unsafe` and `safe` (kind, text), `answers` (prompt, violating, compliant). All of them train; what is
measured stays as it is. Texts that are in a validation row are left out here, as training leaves them out anyway.
"""

from __future__ import annotations

import gzip
import json
import shutil
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from unigurd_trainer.corpus import Corpus

Row = dict[str, Any]
SAME = ("intents", "gip", "pool", "policies", "sdg")
LICENCE = "Apache-2.0"
ARTICLES = ("wiki_context_toxicity", "wiki_nonfuzzed")
ARTICLE = 400
"""Characters from which on a harmless text is also a document."""


def main() -> None:
    """Write the folder."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--more", type=Path, default=Path("trainer/data"), help="what is added")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument("--skip", choices=("packages",), help="documents that are left out")
    args = parser.parse_args()
    for name in SAME:
        shutil.copytree(args.data / name, args.out / name, dirs_exist_ok=True, copy_function=shutil.copyfile)
    corpus, documents = Corpus.read(args.data), list[Row]()
    policies, found = list[Row](), list[Row]()
    for file in sorted((args.more / "written").glob("*.yaml")):
        entries = yaml.safe_load(file.read_text(encoding="utf-8"))
        policies += [policy(entry) for entry in entries if not entry.get("builtin")]
        found += [row for entry in entries for row in rows(entry, file.stem) if corpus.holdout.trains_text(row["text"])]
    documents += [row | {"source": "sdg/written"} for row in found if is_document(row)]
    write(args.out / "policies" / "written.jsonl.gz", policies)
    write(args.out / "sdg" / "written.jsonl.gz", found)
    skipped = shutil.ignore_patterns("*readmes*", "*manuals*") if args.skip else None
    shutil.copytree(args.more / "documents", args.out / "documents", dirs_exist_ok=True, ignore=skipped)
    articles = [row for row in corpus.pool if row.split == "train" and row.source in ARTICLES and row.label == 0]
    documents += [{"text": row.text, "source": row.source, "licence": row.licence} for row in articles]
    kept = ({name: row[name] for name in ("text", "source", "licence")} for row in documents)
    write(args.out / "documents" / "articles.jsonl.gz", (row for row in kept if len(row["text"]) >= ARTICLE))
    print(json.dumps(counts(args.out)))  # noqa: T201


def policy(entry: Row) -> Row:
    """Return the policy of an entry."""
    lists = {name: entry.get(name) or [] for name in ("allowed", "disallowed")}
    return {name: entry[name] for name in ("name", "title", "description")} | lists


def rows(entry: Row, stem: str) -> Iterator[Row]:
    """Give the rows of an entry; twins are one group."""
    same = {"policy": entry["name"], "split": "train", "policy_split": "seen", "licence": LICENCE}
    same |= {"role": entry["role"]} if "role" in entry else {}
    groups: list[list[Row]] = [
        *([row(kind, bad, "unsafe"), row(kind, good, "safe")] for kind, bad, good in entry.get("twins") or ()),
        *([row(kind, text, label)] for label in ("unsafe", "safe") for kind, text in entry.get(label) or ()),
        *(answers(*answer) for answer in entry.get("answers") or ()),
    ]
    for number, group in enumerate(groups):
        yield from (each | same | {"group": f"{stem}/{entry['name']}/{number}"} | each for each in group)


def row(kind: str, text: str, label: str) -> Row:
    """Return what a row says of its text; of a harmless twin the kind is near-miss."""
    return {"text": text, "label": label, "kind": "near-miss" if label == "safe" and kind == "direct" else kind}


def is_document(row: Row) -> bool:
    """Say whether a row is a harmless document."""
    return bool(row["label"] == "safe" and row.get("role") == "document")


def answers(prompt: str, bad: str, good: str) -> list[Row]:
    """Return two answers to a prompt."""
    judged = {"role": "assistant", "prompt": prompt}
    return [row("direct", bad, "unsafe") | judged, row("direct", good, "safe") | judged]


def write(path: Path, found: Iterable[Row]) -> None:
    """Write rows, gzipped, if there are any."""
    content = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in found)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content.encode(), mtime=0)) if content else path.unlink(missing_ok=True)


def counts(out: Path) -> dict[str, int]:
    """Count what was added."""
    added = {name: 0 for name in ("policies", "sdg", "documents")}
    for name in added:
        for file in (out / name).glob("*.gz"):
            if file.stem.startswith("written") or name == "documents":
                added[name] += gzip.decompress(file.read_bytes()).count(b"\n")
    return added


if __name__ == "__main__":
    main()
