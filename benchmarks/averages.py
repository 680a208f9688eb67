"""AUC on the validation sets of averages of runs: the table of docs/decisions/0006-averaged-stages.md.

    python benchmarks/averages.py runs/uniguard-{1,2,3,4} --data DATA --mix 1,0,0,0 --mix .3,.7,0,0 [--json out.json]

A mix has one weight for each run. At most `--rows` rows of each set are scored, with the seed of the first run.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from timing import report
from unigurd_trainer.corpus import Corpus
from unigurd_trainer.evalsets import build_evaluation_sets
from unigurd_trainer.gip import build
from unigurd_trainer.merge.methods import average
from unigurd_trainer.runs import Run
from unigurd_trainer.scoring import make_validation


def main() -> None:
    """Measure each mix."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs of one architecture")
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--mix", action="append", required=True, help="weights of the runs, as in .3,.7")
    parser.add_argument("--rows", type=int, default=700, help="rows of each set at most")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    mixes = [[float(weight) for weight in mix.split(",")] for mix in args.mix]
    report("AUC of averages of runs", [*measure(args.runs, args.data, mixes, args.rows)], args.json)


def measure(
    folders: Sequence[Path], data: Path, mixes: Sequence[Sequence[float]], rows: int
) -> Iterator[dict[str, Any]]:
    """Yield the mean AUC of each mix, and that of each set."""
    runs = [Run.open(folder) for folder in folders]
    models = [load_file(run.latest) for run in runs]
    corpus = Corpus.read(data)
    sets = build_evaluation_sets(corpus, corpus.holdout, runs[0].recipe.seed, max_rows=rows)
    model, collate = build(runs[0].recipe)
    validate = make_validation(collate, sets)
    for mix in mixes:
        model.load_state_dict(average(models, mix))
        scores = validate(model)
        weights = " + ".join(f"{weight:g} x {run.folder.name}" for weight, run in zip(mix, runs, strict=True) if weight)
        own = {name: f"{scores[f'{name}/auc']:.3f}" for name in sets if f"{name}/auc" in scores}
        yield {"weights": weights, "mean": f"{scores['score']:.4f}", **own}


if __name__ == "__main__":
    main()
