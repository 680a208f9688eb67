"""What a trial of the merge search costs: four copies of `uniguard` with noise, 2,000 validation rows, one thread.

    python benchmarks/search_trial.py --data DATA [--rows 2000] [--rounds 3] [--json out.json]

Reported are medians of processor seconds of a merge into the module and of scoring all rows with it, by method, each by
other weights; the first merge of a method, which learns what later ones reuse, is not counted.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from timing import report
from unigurd_trainer.merge.apply import Gathered
from unigurd_trainer.merge.ingredients import Ingredients
from unigurd_trainer.merge.model import Model
from unigurd_trainer.merge.sources import find_source
from unigurd_trainer.search.evaluator import Evaluator, open_splits
from unigurd_trainer.search.point import Point
from unigurd_trainer.search.recipe import SearchRecipe

COPIES = 4
METHODS = ("average", "slerp", "task_arithmetic", "ties", "dare")
WEIGHTS = ((0.4, 0.3, 0.2, 0.1), (0.1, 0.2, 0.3, 0.4), (0.3, 0.4, 0.1, 0.2), (0.25, 0.25, 0.25, 0.25))


def main() -> None:
    """Measure all methods."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    evaluator = open_evaluator(args.data, args.rows)
    rows = [measure(evaluator, method, args.rounds) for method in METHODS]
    title = f"A trial of the merge search: {COPIES} candidates, {args.rows} rows, one thread (median processor seconds)"
    report(title, rows, args.json)


def measure(evaluator: Evaluator, method: str, rounds: int) -> dict[str, Any]:
    """Merge and score a few points of a method."""
    points = [
        Point.of(WEIGHTS[number % len(WEIGHTS)], {"method": method, "merge_type": "all", "instruction": "written"})
        for number in range(rounds + 1)
    ]
    merges, scores = [], []
    for point in points:
        merges.append(seconds(evaluator.merge, point))
        scores.append(seconds(evaluator.trial, point) - merges[-1])
    merge, score = median(merges[1:]), median(scores[1:])
    return {"method": method, "merge s": merge, "score s": score, "merge %": 100 * merge / (merge + score)}


def seconds(call: Callable[[Point], object], point: Point) -> float:
    """Processor seconds of a call."""
    start = time.process_time()
    call(point)
    return time.process_time() - start


def open_evaluator(data: Path, rows: int) -> Evaluator:
    """Build an evaluator of perturbed copies of the bundled checkpoint, which is their base."""
    values = {"candidates": [{"path": "uniguard"}] * COPIES, "base": "uniguard", "method": METHODS}
    recipe = SearchRecipe.model_validate(values | {"rows": {"search": rows}})
    source = find_source("uniguard")
    base = dict(source.model)
    ingredients = Ingredients.of([perturbed(base, seed) for seed in range(COPIES)], base, anchor=base)
    gathered = Gathered((source,) * COPIES, {"uniguard": replace(source, model=base)}, ingredients, source)
    return Evaluator.of(recipe, recipe.candidates, open_splits(recipe, data), gathered)


def perturbed(model: Model, seed: int) -> dict[str, torch.Tensor]:
    """Add noise of a hundredth of its standard deviation to every tensor."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: tensor + 0.01 * tensor.std(correction=0) * torch.randn(tensor.shape, generator=generator)
        for name, tensor in model.items()
    }


if __name__ == "__main__":
    main()
