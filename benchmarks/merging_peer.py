"""One merge by mergekit, timed: what `benchmarks/merging.py` runs beside ours. Imports nothing of this package.

    python benchmarks/merging_peer.py MODELS METHOD

Prints JSON: processor seconds of the merge in memory, from files to tensors, and resident megabytes after imports and
at the peak.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mergekit.architecture import WeightInfo, get_architecture_info
from mergekit.config import MergeConfiguration
from mergekit.graph import Executor
from mergekit.io.tasks import LoaderCache
from mergekit.merge import _model_out_config
from mergekit.options import MergeOptions
from mergekit.plan import MergePlanner

WEIGHTS = (0.5, 0.3, 0.2)
PARAMETERS: Mapping[str, dict[str, Any]] = {
    "average": {"merge_method": "linear"},
    "slerp": {"merge_method": "slerp", "parameters": {"t": 0.3}},
    "task_arithmetic": {"merge_method": "task_arithmetic", "parameters": {"normalize": True}},
    "ties": {"merge_method": "ties", "parameters": {"normalize": True, "density": 0.2}},
    "dare": {"merge_method": "dare_linear", "parameters": {"density": 0.5}},
    "dare, ties": {"merge_method": "dare_ties", "parameters": {"density": 0.5}},
}


def main() -> None:
    """Merge once."""
    folder, method = Path(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    options, config = MergeOptions(quiet=True), configuration(folder, method)
    architecture = get_architecture_info(config, options)
    cache = LoaderCache()
    cache.setup(options=options)
    for model in config.referenced_models():
        cache.get(model)
    shape = _model_out_config(config, architecture)
    before, start = memory("VmRSS"), time.process_time()
    tasks = planned(MergePlanner(config, architecture, options=options, out_model_config=shape))
    merged = [value for _, value in Executor(tasks).run(quiet=True)]
    seconds = time.process_time() - start
    peak = memory("VmHWM")
    print(json.dumps({"seconds": seconds, "before": before, "peak": peak, "tensors": len(merged)}))  # noqa: T201


def planned(planner: MergePlanner) -> list[Any]:
    """Plan one task a tensor.

    mergekit 0.1.5 fails on optional tensors of BERT (it adds a tuple to a list), so none is said to be optional, and
    the one that models no longer have is left out.
    """
    plan = planner.plan_tensor

    def plan_required(weight: WeightInfo, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        if not weight.name.endswith("position_ids"):
            plan(weight.model_copy(update={"optional": False}), *args, **kwargs)

    planner.plan_tensor = plan_required
    planner._plan()
    return [task for _, task in planner._tensors]


def configuration(folder: Path, method: str) -> MergeConfiguration:
    """Say in mergekit's terms what is merged: ft1, ft2 and ft3 on base; SLERP takes two."""
    names = [f"ft{number}" for number in (1, 2, 3)]
    models = [
        {"model": str(folder / name), "parameters": {"weight": weight}}
        for name, weight in zip(names, WEIGHTS, strict=True)
    ]
    values = {**PARAMETERS[method], "models": models, "dtype": "float32"}
    if method == "slerp":
        values |= {"models": models[:2], "base_model": str(folder / names[0])}
    elif method != "average":
        values["base_model"] = str(folder / "base")
    return MergeConfiguration.model_validate(values)


def memory(field: str) -> float:
    """Megabytes that are resident now (VmRSS) or were at most (VmHWM)."""
    status = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in status if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
