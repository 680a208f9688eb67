"""What many composed policies cost: processor time, memory, and how many proposals are twins of earlier ones.

    python benchmarks/policies_at_scale.py --out FOLDER [--policies 50000] [--texts 8] [--form jsonl] [--json out.json]

At every fifth of the way, the memory of the process is measured: it should not grow with what has been written. Twins
are proposals that were left out because their words, or 80 % of their word triples, are those of an earlier one.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from timing import memory, report
from unigurd_trainer.row_files import FORMS
from unigurd_trainer.rows import Episode
from unigurd_trainer.sdg.packaged import bundled
from unigurd_trainer.sdg.policies import ComposedSource, write_policies

STEPS = 5


class Counting:
    """A source that counts how often it was asked."""

    def __init__(self, source: ComposedSource) -> None:
        self._source, self.proposed = source, 0

    def episode(self, index: int) -> Episode:
        """Return the proposal of this index."""
        self.proposed = index + 1
        return self._source.episode(index)


def main() -> None:
    """Compose, and measure on the way."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write; it should not exist")
    parser.add_argument("--policies", type=int, default=50_000)
    parser.add_argument("--texts", type=int, default=8, help="labelled texts for each")
    parser.add_argument("--form", choices=FORMS, default=FORMS[0])
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    source = Counting(ComposedSource(bundled(), texts=args.texts))
    start, rows = time.process_time(), list[dict[str, Any]]()

    def observe(written: int) -> None:
        if written % (args.policies // STEPS) == 0:
            seconds = time.process_time() - start
            rows.append({
                "policies": written, "proposed": source.proposed, "twins": source.proposed - written,
                "seconds": seconds, "ms per policy": 1000 * seconds / written, "memory, MB": memory("VmRSS") / 1e6,
            })  # fmt: skip

    write_policies(source, args.policies, args.out, form=args.form, observe=observe)
    report(f"composed policies with {args.texts} texts each, as {args.form}", rows, args.json)


if __name__ == "__main__":
    main()
