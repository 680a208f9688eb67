"""How fast training is: samples a second beside transformers' `Trainer` and a plain loop, and what each loss costs.

    python benchmarks/training_speed.py peers --data DATA [--rounds 12] [--seconds 10] [--threads 2] [--json out.json]
    python benchmarks/training_speed.py losses --data DATA
    python benchmarks/training_speed.py peers --data DATA --threads 1 --clock cpu    # on a busy machine

Rules

- All train the same encoder (the recipe's base) on the same texts under the same policies, in one run, by turns: in
  each round everybody has a turn of some seconds, every other round in reverse order. The first round is a warm-up.
  Reported are medians over rounds; ratios are medians of the ratios within a round.
- A step has as many real tokens for everybody. Tokens beyond the recipe's `max_text` are cut for everybody.
- The peers read policy and text as one sequence (the paper's form) and pad a batch to its longest row. Their rows are
  tokenised before the clock starts; ours are tokenised and collated within it. Composing episodes counts for nobody.
- `trainer` has the library's defaults (float32, shuffled, dropout 0.1, all weights trained). `trainer tuned` has what
  is fastest on a CPU: bfloat16, batches of one length, and as in the recipe no dropout and frozen word embeddings;
  `loop` has the latter two, in float32.
- `padded` is our model without what makes it fast: every policy encoded for every text, padded, float32; then each part
  is added: bfloat16 linear layers; each policy line once a step. What is left to `ours` is bucketing and packing.
- Peak memory is that of the process. AUC is on held-out policies and rows, after the same seconds for everybody.
"""

from __future__ import annotations

import multiprocessing
import time
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from statistics import median
from typing import Any

import torch

from contestants import Contestant, Material, Turns, loop, ours, padded, trainer
from timing import memory, report
from unigurd_trainer.corpus import Corpus
from unigurd_trainer.evalsets import build_evaluation_sets
from unigurd_trainer.gip import mixture_settings
from unigurd_trainer.recipe import GipRecipe, OptimRecipe

PLAIN = GipRecipe(name="training-speed", steps=1_000_000)
FLOAT32 = PLAIN.model_copy(update={"optim": OptimRecipe(precision="fp32")})
DEV = ("gip-unseen-policy", "sdg-dev")
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
Entrants = Mapping[str, tuple[Contestant, GipRecipe]]


def with_loss(**loss: object) -> GipRecipe:
    """The recipe with other losses."""
    return GipRecipe.model_validate(PLAIN.model_dump() | {"loss": loss})


PEERS: Entrants = {
    "ours": (ours, PLAIN),
    "trainer": (trainer, PLAIN),
    "trainer tuned": (partial(trainer, tuned=True), PLAIN),
    "loop": (loop, PLAIN),
    "padded": (padded, FLOAT32),
    "padded, bf16": (padded, PLAIN),
    "padded, bf16, shared": (partial(padded, shared=True), PLAIN),
}
LOSSES: Entrants = {
    "classification": (ours, PLAIN),
    "+ MLM": (ours, with_loss(mlm=0.1)),
    "+ Alice": (ours, with_loss(alice=1.0)),
    "+ MLM + Alice": (ours, with_loss(mlm=0.1, alice=1.0)),
}


@dataclass(slots=True)
class Entrant:
    """A contestant in a process of its own, and the turns it has had: samples, tokens and seconds."""

    name: str
    pipe: Connection
    process: SpawnProcess
    turns: list[tuple[int, int, float]]

    @classmethod
    def start(cls, name: str, contestant: Contestant, recipe: GipRecipe, material: Material, args: Any) -> Entrant:  # noqa: ANN401
        """Start the process; it prepares itself and waits."""
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        work = (contestant, recipe, material, there, args.seconds, args.threads, args.clock)
        process = context.Process(target=compete, args=work)
        process.start()
        there.close()
        return cls(name, here, process, [])

    def turn(self) -> None:
        """Let it train for a turn."""
        self.pipe.send(True)
        self.turns.append(self.pipe.recv())

    def finish(self) -> tuple[float, int]:
        """Stop it; returns AUC and peak memory."""
        self.pipe.send(False)
        result: tuple[float, int] = self.pipe.recv()
        self.process.join()
        return result

    @property
    def rates(self) -> list[float]:
        """Samples a second of each turn but the first."""
        return [samples / seconds for samples, _, seconds in self.turns[1:]]


def compete(
    contestant: Contestant,
    recipe: GipRecipe,
    material: Material,
    parent: Connection,
    seconds: float,
    threads: int,
    clock: str,
) -> None:
    """Train by turns, then measure; what a process does."""
    torch.set_num_threads(threads)
    score = contestant(material, recipe, Turns(parent, seconds, CLOCKS[clock]))
    peak = memory("VmHWM")
    parent.send((score(material.dev), peak))


def main() -> None:
    """Measure the speed of training."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("table", choices=("peers", "losses"))
    parser.add_argument("--data", type=Path, required=True, help="folder with the training data")
    parser.add_argument("--rounds", type=int, default=12, help="measured turns of each")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a turn, at least")
    parser.add_argument("--threads", type=int, default=2, help="threads of one operation")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="what a second is")
    parser.add_argument("--only", nargs="+", help="names of rows; the first is what the others are compared with")
    parser.add_argument("--episodes", type=int, default=900, help="of the stream, which is then repeated")
    parser.add_argument("--dev-rows", type=int, default=400, help="of each validation set")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    entrants = PEERS if args.table == "peers" else LOSSES
    chosen = {name: entrants[name] for name in args.only or entrants}
    rows = measure(chosen, prepare(args.data, args.episodes, args.dev_rows), args)
    report(
        f"Training, {args.threads} thread(s), {args.clock} seconds (medians of {args.rounds} turns)", rows, args.json
    )


def prepare(data: Path, episodes: int, dev_rows: int) -> Material:
    """Compose the episodes of all contestants."""
    corpus = Corpus.read(data)
    mixture = corpus.mixture(seed=PLAIN.seed, **mixture_settings(PLAIN.data))
    sets = build_evaluation_sets(corpus, corpus.holdout, PLAIN.seed, max_rows=dev_rows)
    return Material(
        tuple(mixture.episode(number) for number in range(episodes)),
        tuple(chain.from_iterable(sets[name] for name in DEV)),
    )


def measure(entrants: Entrants, material: Material, args: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Let everybody train by turns."""
    running = [Entrant.start(name, *entrant, material, args) for name, entrant in entrants.items()]
    for number in range(1 + args.rounds):
        for entrant in reversed(running) if number % 2 else running:
            entrant.turn()
    return [_row(entrant, running[0]) for entrant in running]


def _row(entrant: Entrant, first: Entrant) -> dict[str, Any]:
    auc, peak = entrant.finish()
    return {
        "": entrant.name,
        "samples/s": median(entrant.rates),
        "tokens/s": round(median(tokens / seconds for _, tokens, seconds in entrant.turns[1:])),
        "ratio": median(one / other for one, other in zip(first.rates, entrant.rates, strict=True)),
        "peak MB": round(peak / 2**20),
        "samples": sum(samples for samples, _, _ in entrant.turns),
        "AUC": auc,
    }


if __name__ == "__main__":
    main()
