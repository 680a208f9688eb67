"""The interaction study as tables: what each run reached, what a check costs, and how well the untrained model ranks.

Commands (see `trainer/runs/study.sh`)::

    python -m unigurd_trainer.study runs/study --data ../shared/data
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, get_args

import torch

from unigurd_sdk.nn.head import LineStates
from unigurd_sdk.nn.model import GuardModel, Interaction, prefix_rows
from unigurd_trainer.base import find_base
from unigurd_trainer.batching import Collator
from unigurd_trainer.corpus import Corpus
from unigurd_trainer.evalsets import build_evaluation_sets
from unigurd_trainer.loop import read_log
from unigurd_trainer.markdown import table
from unigurd_trainer.metrics import mean_auc
from unigurd_trainer.rows import Episode
from unigurd_trainer.scoring import score_episodes

SETS = ("gip-unseen-policy", "gip-unseen-intent", "gip-unseen-domain", "sdg-dev", "sdg-unseen")
_BASE = "sentence-transformers/all-MiniLM-L6-v2"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the three tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args(argv)
    write = sys.stdout.write
    write(table(("run", "seconds", "examples", *SETS), map(run_row, sorted(arguments.runs.iterdir()))))
    write("\n" + table(("untrained, lists on both sides", "policies", "mean AUC"), [untrained_row(arguments.data)]))
    write("\n" + table(("ms a check", "20-word policy", "400-word policy"), map(cost_row, get_args(Interaction))))
    return 0


def run_row(run: Path) -> tuple[str, ...]:
    """Last validation of a run: seconds and examples of training, AUC by set."""
    last: dict[str, Any] = [record for record in read_log(run / "log.jsonl") if "score" in record][-1]
    seconds = json.loads((run / "result.json").read_text(encoding="utf-8"))["progress"]["seconds"]
    return (run.name, f"{seconds:.0f}", str(last["examples"]), *(f"{last[f'{name}/auc']:.3f}" for name in SETS))


def untrained_row(data: Path) -> tuple[str, ...]:
    """Mean AUC per policy of the model before any training, on composed policies with both lists."""
    corpus = Corpus.read(data)
    sets = build_evaluation_sets(corpus, corpus.holdout, 0, max_rows=2000)
    base = find_base(_BASE)
    chosen = [e for e in sets["gip-unseen-policy"] if e.policy.allowed and e.policy.disallowed]
    return (
        "gip-unseen-policy",
        str(len(chosen)),
        f"{untrained_auc(base.model(0), Collator(base.tokenizer()), chosen):.3f}",
    )


def untrained_auc(model: GuardModel, collate: Collator, episodes: Sequence[Episode]) -> float:
    """Mean AUC per policy of a model on episodes."""
    return mean_auc(score_episodes(model, collate, episodes, precision="fp32").groups())


def cost_row(interaction: Interaction) -> tuple[str, ...]:
    """Median milliseconds of scoring a text of 32 tokens with torch, the policy encoded before if it can be."""
    model = find_base(_BASE).model(0, interaction=interaction).eval()
    return (interaction, *(f"{_median_ms(_check(model, lines)):.1f}" for lines in (2, 40)))


def _check(model: GuardModel, lines: int, tokens: int = 13) -> Callable[[], object]:
    """Prepare one check under a policy of `lines` lines of `tokens` tokens (about ten words)."""
    ids, text = torch.randint(1000, 20000, (lines, tokens)), torch.randint(1000, 20000, (1, 32))
    mask, seen, layout = torch.ones_like(ids), torch.ones_like(text), torch.arange(lines)[None]
    if model.config.interaction == "full":
        joint = torch.cat((ids.flatten()[None, :480], text), dim=1)
        return lambda: model.score_full([(joint, torch.ones_like(joint))])
    states: LineStates = model.policies(model.line_vectors(ids, mask), torch.full_like(layout, 2), layout)
    prefix = None
    if model.config.interaction == "prefix-lines":
        prefix = prefix_rows(model.policy_prefix(ids, mask, layout)[1], torch.zeros(1, dtype=torch.long))
    return lambda: model.decide(model.encode_texts(text, seen, prefix), states)


@torch.inference_mode()
def _median_ms(check: Callable[[], object], repeats: int = 40) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        check()
        seconds.append(time.perf_counter() - start)
    return median(seconds) * 1000


if __name__ == "__main__":
    with torch.inference_mode():
        sys.exit(main())
