"""Write rows of one policy as `unigurd-train finetune` reads them; `unigurd-train evaluate` measures on none of them.

    python trainer/runs/task_rows.py POLICY --data DATA --out rows.jsonl [--fresh] [--most 5000] [--seed 0]

Written rows come first, then public ones at random. Without `--fresh`, they are rows that trained the shipped
`uniguard`, which has learnt them by heart. With it, they are validation rows that did not train it, of the half that is
not reported: what a user's own labelled texts are. A guard that was tuned on these is for measuring only.
"""

from __future__ import annotations

import json
import random
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from unigurd_trainer.ablation.material import draw
from unigurd_trainer.corpus import Corpus
from unigurd_trainer.measure.sets import half
from unigurd_trainer.mixture import public_example, trainable_pool, trainable_rows, written_example
from unigurd_trainer.rows import ConditionedRow, Example, PoolRow


def main() -> None:
    """Choose rows and write them."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("policy", help="name of a policy")
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    parser.add_argument("--fresh", action="store_true", help="take validation rows that are not reported")
    parser.add_argument("--most", type=int, default=5000, help="rows at most, both labels alike as far as possible")
    parser.add_argument("--seed", type=int, default=0, help="of the order of public rows")
    args = parser.parse_args()
    choose = fresh if args.fresh else known
    rows = draw(choose(Corpus.read(args.data), args.policy, args.seed), args.most)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text("".join(lines(rows)), encoding="utf-8")
    print(f"{args.out}: {len(rows)} rows, {sum(row.label for row in rows)} unsafe")  # noqa: T201


def known(corpus: Corpus, policy: str, seed: int) -> list[Example]:
    """Rows that may train; `uniguard` knows them."""
    written = [row for row in trainable_rows(corpus.conditioned, corpus.holdout) if row.policy == policy]
    public = [row for row in trainable_pool(corpus.pool, corpus.holdout) if row.policy == policy]
    return joined(written, public, seed)


def fresh(corpus: Corpus, policy: str, seed: int) -> list[Example]:
    """Validation rows of the half that is not reported."""
    written = [row for row in corpus.conditioned if row.policy == policy and row.split == "dev"]
    public = [row for row in corpus.pool if row.policy == policy and row.split == "dev"]
    return [row for row in joined(written, public, seed) if half(row.text, row.group) != "report"]


def joined(written: Iterable[ConditionedRow], public: list[PoolRow], seed: int) -> list[Example]:
    """Written rows, then public ones at random."""
    random.Random(f"rows:{seed}").shuffle(public)
    return [*map(written_example, written), *map(public_example, public)]


def lines(rows: Iterable[Example]) -> Iterator[str]:
    """Give each row as a line of JSON."""
    for row in rows:
        yield json.dumps(_record(row), ensure_ascii=False) + "\n"


def _record(row: Example) -> dict[str, Any]:
    names = ("text", "role", "prompt", "group", "source", "licence", "lang")
    values = {name: getattr(row, name) for name in names}
    return {"label": ("safe", "unsafe")[row.label]} | {name: value for name, value in values.items() if value}


if __name__ == "__main__":
    main()
