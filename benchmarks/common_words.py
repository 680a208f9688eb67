"""The common English words by which views tell a text from its disguise: counted in the permissive training texts.

    python benchmarks/common_words.py --data DATA --out unigurd_sdk/views/words.txt [--words 12000]

Words are counted once a text, in lower case, in the pool, the intents and the policy texts of a data folder; rows of
validation splits are left out. Words of one letter other than "a" and "i" are none, and words of two letters have to be
fifty times as frequent as others.
"""

from __future__ import annotations

import gzip
import json
import re
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

WORD = re.compile(r"(?<![^\W_])[a-z]+(?![^\W_])")
LEAST = {1: 10**9, 2: 250, 3: 20}
"""In how many texts a word of that many letters has to be; longer ones in five."""


def main() -> None:
    """Count and write."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--out", type=Path, required=True, help="file to write, one word a line, most frequent first")
    parser.add_argument("--words", type=int, default=12_000)
    args = parser.parse_args()
    counts = Counter(word for text in texts(args.data) for word in set(WORD.findall(text.lower())))
    ranked = [word for word, count in counts.most_common() if count >= LEAST.get(len(word), 5) or word in ("a", "i")]
    kept = ranked[: args.words]
    args.out.write_text("\n".join(kept) + "\n", encoding="ascii")
    print(f"{len(kept):,} of {len(counts):,} words; the rarest is {kept[-1]!r} ({counts[kept[-1]]} texts)")  # noqa: T201


def texts(data: Path) -> Iterator[str]:
    """Give the English training texts of a data folder."""
    for folder in ("pool", "intents", "sdg"):
        for path in sorted((data / folder).glob("*.jsonl.gz")):
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                rows = map(json.loads, lines)
                yield from (row["text"] for row in rows if row.get("lang", "en") == "en" and row["split"] in TRAINING)


TRAINING = {"train"}


if __name__ == "__main__":
    main()
