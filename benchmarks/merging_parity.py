"""How far our merge methods are from outputs of mergekit 0.1.5.

    python benchmarks/merging_parity.py --parity FOLDER [--json out.json] [--extract tests/trainer/merge/parity.npz]

`FOLDER/mergekit_reference.npz` has whole tensors of all-MiniLM-L6-v2 (Apache-2.0) as `in/MODEL/NAME` (base and three
perturbed copies) and mergekit's outputs as `out/JOB/NAME`, all float32. `--extract` writes the tensors of at most 2,000
values that are not of the last layer: the part that the tests compare with. Exit status 1 if a job misses its
tolerance.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unigurd_trainer.merge.methods import Model, average, dare, slerp, task_arithmetic, ties

Arrays = Mapping[str, NDArray[np.float32]]
Models = Mapping[str, Model]

RARE = 1e-5
"""Share of values that may differ: those at the cut of a trim, where mergekit's unstable sort decides."""


@dataclass(frozen=True, slots=True)
class Job:
    """A merge of ft1, ft2 and ft3 on base, and how far it may be from mergekit's."""

    merge: Callable[[Models], Model]
    tolerance: float


JOBS: Mapping[str, Job] = {
    "linear_k3": Job(lambda m: average([m["ft1"], m["ft2"], m["ft3"]], [0.5, 0.3, 0.2]), 1e-6),
    "task_arith_k2": Job(lambda m: task_arithmetic([m["ft1"], m["ft2"]], [0.6, 0.4], m["base"], 0.8), 1e-6),
    "ties_k2_d20": Job(lambda m: ties([m["ft1"], m["ft2"]], [0.6, 0.4], m["base"], 0.2), 1e-6),
    "ties_k3_d50_l08": Job(lambda m: ties([m["ft1"], m["ft2"], m["ft3"]], [0.5, 0.3, 0.2], m["base"], 0.5, 0.8), 1e-6),
    "slerp_t03": Job(lambda m: slerp([m["ft1"], m["ft2"]], [0.7, 0.3]), 5e-5),
}
DRAWN: Mapping[str, Callable[[Models], Model]] = {
    "dare_linear_k2_d50": lambda m: dare([m["ft1"], m["ft2"]], [0.6, 0.4], m["base"]),
    "dare_ties_k2_d50": lambda m: dare([m["ft1"], m["ft2"]], [0.6, 0.4], m["base"], combination="ties", mean="sum"),
}


def main() -> None:
    """Compare every job with the reference."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("--parity", type=Path, required=True, help="folder with mergekit_reference.npz")
    parser.add_argument("--extract", type=Path, help="also write the part that the tests compare with")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    arrays = dict(np.load(args.parity / "mergekit_reference.npz"))
    if args.extract:
        np.savez_compressed(args.extract, **extract(arrays))  # type: ignore[arg-type]
    rows = [*compare(arrays)]
    from timing import report

    report("Distance to mergekit 0.1.5", rows, args.json)
    sys.exit(not all(row["within"] for row in rows))


def extract(arrays: Arrays) -> Arrays:
    """Keep small tensors."""
    return {key: array for key, array in arrays.items() if array.size <= 2000 and "layer.5." not in key}


def compare(arrays: Arrays) -> list[dict[str, Any]]:
    """Measure each job: values, the largest difference, how many are beyond the tolerance, and whether that is within.

    What draws at random is compared by two estimates: the share of values that stay as they were in the base, and the
    length of the difference to it.
    """
    models = {name: _tensors(arrays, f"in/{name}/") for name in ("base", "ft1", "ft2", "ft3")}
    rows = [_row(name, job, models, _tensors(arrays, f"out/{name}/")) for name, job in JOBS.items()]
    return rows + [_drawn_row(name, models, _tensors(arrays, f"out/{name}/")) for name in DRAWN]


def _row(name: str, job: Job, models: Models, reference: Model) -> dict[str, Any]:
    distance = (_flat(job.merge(models)) - _flat(reference)).abs()
    beyond = int((distance > job.tolerance).sum())
    inside = distance[distance <= job.tolerance]
    return {
        "job": name, "values": len(distance), "tolerance": f"{job.tolerance:g}",
        "difference": f"{float(inside.max()):.2g}", "beyond": beyond,
        "within": beyond <= (max(1, RARE * len(distance)) if name.startswith("ties") else 0),
    }  # fmt: skip


def _drawn_row(name: str, models: Models, reference: Model) -> dict[str, Any]:
    base, theirs, ours = (_flat(model) for model in (models["base"], reference, DRAWN[name](models)))
    same = [float((each == base).float().mean()) for each in (ours, theirs)]
    lengths = [float((each - base).norm()) for each in (ours, theirs)]
    return {
        "job": name, "values": len(base), "tolerance": "drawn",
        "difference": f"{same[0] - same[1]:+.3f}, {lengths[0] / lengths[1] - 1:+.3f}", "beyond": 0,
        "within": abs(same[0] - same[1]) < 0.03 and abs(lengths[0] / lengths[1] - 1) < 0.05,
    }  # fmt: skip


def _tensors(arrays: Arrays, prefix: str) -> Model:
    return {key.removeprefix(prefix): torch.from_numpy(each) for key, each in arrays.items() if key.startswith(prefix)}


def _flat(model: Model) -> torch.Tensor:
    return torch.cat([model[name].flatten() for name in sorted(model)]).double()


if __name__ == "__main__":
    main()
