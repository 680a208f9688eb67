"""Count texts of `trainer/data/written` that share more than a share of their word 4-grams with a text that measures.

    python trainer/runs/overlap.py runs/data [--share 0.5]

`runs/data` is what `trainer/runs/more_data.py` wrote. The share is the Jaccard index of the sets of 4-grams.
"""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from unigurd_trainer.corpus import Corpus

WORDS = 4
Grams = frozenset[tuple[str, ...]]


def main() -> None:
    """Count and show."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--share", type=float, default=0.5)
    args = parser.parse_args()
    corpus = Corpus.read(args.data)
    found, written = 0, [row for row in corpus.conditioned if row.source.startswith("sdg/written")]
    nearest = Nearest(corpus.holdout.texts)
    for row in written:
        share, text = nearest.find(row.text)
        if share > args.share:
            found += 1
            print(f"{share:.2f} {row.policy}: {row.text[:100]!r} and {text[:100]!r}")  # noqa: T201
    print(f"{found} of {len(written)} texts share more than {args.share:.0%}")  # noqa: T201


class Nearest:
    """Finds, among texts, the one that shares most."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = [(text, grams(text)) for text in texts]
        self._places: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        for place, (_, own) in enumerate(self._texts):
            for gram in own:
                self._places[gram].append(place)

    def find(self, text: str) -> tuple[float, str]:
        """Return the largest share, and the text that has it."""
        own = grams(text)
        common = Counter(place for gram in own for place in self._places.get(gram, ()))
        shares = ((count / len(own | self._texts[place][1]), self._texts[place][0]) for place, count in common.items())
        return max(shares, default=(0.0, ""))


def grams(text: str) -> Grams:
    """Return the word 4-grams of a text; all of a shorter one is one gram."""
    words = re.findall(r"\w+", text.lower())
    return frozenset(tuple(words[at : at + WORDS]) for at in range(max(1, len(words) - WORDS + 1)))


if __name__ == "__main__":
    main()
