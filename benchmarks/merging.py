"""What a merge costs, beside mergekit: three perturbed copies of all-MiniLM-L6-v2 (22.7M parameters), one thread.

    python benchmarks/merging.py [--peer PYTHON] [--rounds 3] [--json out.json]

Each merge runs in a process of its own, from files to tensors in memory, ours and mergekit's in turn. Reported are
medians of processor seconds of the first merge and, for ours, of the next one by other weights (a trial of a search),
and the peak of resident memory above what it was after the imports. `--peer` is an interpreter that has mergekit 0.1.5
(extra `mergekit`), by default this one; without it only ours is measured. SLERP takes two models.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from unigurd_trainer.merge.dare import Dare
from unigurd_trainer.merge.ingredients import Ingredients
from unigurd_trainer.merge.merger import Merger
from unigurd_trainer.merge.method import MergeMethod
from unigurd_trainer.merge.slerp import Slerp
from unigurd_trainer.merge.soup import Average
from unigurd_trainer.merge.stored import Stored
from unigurd_trainer.merge.task_vectors import TaskArithmetic
from unigurd_trainer.merge.ties import Ties

MODELS = ("ft1", "ft2", "ft3")
WEIGHTS, OTHERS = (0.5, 0.3, 0.2), (0.2, 0.3, 0.5)
METHODS: Mapping[str, MergeMethod] = {
    "average": Average(),
    "slerp": Slerp(),
    "task_arithmetic": TaskArithmetic(),
    "ties": Ties(),
    "dare": Dare(),
    "dare, ties": Dare(combination="ties"),
}


def main() -> None:
    """Measure all methods."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("--peer", help="interpreter that has mergekit")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--worker", nargs=2, metavar=("MODELS", "METHOD"), help="merge once and print what it took")
    args = parser.parse_args()
    if args.worker:
        print(json.dumps(measure(Path(args.worker[0]), args.worker[1])))  # noqa: T201
        return
    from timing import report

    peer = args.peer or (sys.executable if importlib.util.find_spec("mergekit") else None)
    with tempfile.TemporaryDirectory() as folder:
        make_models(Path(folder))
        rows = [*compare(Path(folder), peer, args.rounds)]
    report("Merging three models of 22.7M parameters, one thread (median processor seconds)", rows, args.json)


def compare(folder: Path, peer: str | None, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each method."""
    here = Path(__file__)
    commands = {"ours": [sys.executable, str(here), "--worker"]}
    if peer is not None:
        commands["mergekit"] = [peer, str(here.with_name("merging_peer.py"))]
    for method in METHODS:
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
        for number in range(rounds):
            for name in sorted(commands, reverse=bool(number % 2)):
                taken[name].append(_run([*commands[name], str(folder), method]))
        yield _row(method, **taken)


def measure(folder: Path, name: str) -> dict[str, float]:
    """Merge once, and once more by other weights."""
    torch.set_num_threads(1)
    count = 2 if name == "slerp" else len(MODELS)
    before = memory("VmRSS")
    files = {model: folder / model / "model.safetensors" for model in ("base", *MODELS)}
    start = time.process_time()
    models = [Stored(files[model]) for model in MODELS[:count]]
    merger = Merger(Ingredients.of(models, Stored(files["base"]) if METHODS[name].needs_base else None), METHODS[name])
    merged = dict(merger.merge(WEIGHTS[:count]))
    seconds = time.process_time() - start
    peak = memory("VmHWM")
    start = time.process_time()
    merged = dict(merger.merge(OTHERS[:count]))
    trial = time.process_time() - start
    return {"seconds": seconds, "trial": trial, "before": before, "peak": peak, "tensors": len(merged)}


def make_models(folder: Path) -> None:
    """Write the base and three copies, each tensor with noise of a twentieth of its standard deviation."""
    from unigurd_trainer.base import find_base

    source = find_base("sentence-transformers/all-MiniLM-L6-v2").folder
    base = {name: each for name, each in load_file(source / "model.safetensors").items() if each.is_floating_point()}
    for seed, name in enumerate(("base", *MODELS)):
        generator = torch.Generator().manual_seed(seed)
        noise = {key: torch.randn(each.shape, generator=generator) * each.std() / 20 for key, each in base.items()}
        (folder / name).mkdir()
        shutil.copy(source / "config.json", folder / name)
        changed = base if name == "base" else {key: each + noise[key] for key, each in base.items()}
        save_file(changed, folder / name / "model.safetensors")


def memory(field: str) -> float:
    """Megabytes resident now (VmRSS) or at most (VmHWM); the maximum of getrusage includes the parent's."""
    status = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in status if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024


def _row(method: str, ours: list[dict[str, float]], mergekit: list[dict[str, float]] | None = None) -> dict[str, Any]:
    def middle(taken: list[dict[str, float]], value: Callable[[dict[str, float]], float]) -> float:
        return median(value(each) for each in taken)

    first, trial = middle(ours, lambda each: each["seconds"]), middle(ours, lambda each: each["trial"])
    row = {"method": method, "first s": first, "trial s": trial}
    peak = middle(ours, lambda each: each["peak"] - each["before"])
    if mergekit is None:
        return row | {"peak MB": f"{peak:.0f}"}
    theirs = middle(mergekit, lambda each: each["seconds"])
    their_peak = middle(mergekit, lambda each: each["peak"] - each["before"])
    return row | {
        "mergekit s": theirs, "/ first": theirs / first, "/ trial": theirs / trial,
        "peak MB": f"{peak:.0f}", "mergekit MB": f"{their_peak:.0f}",
    }  # fmt: skip


def _run(command: list[str]) -> dict[str, float]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
