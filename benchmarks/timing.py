"""How the benchmarks measure and report: interleaved rounds, medians, a table, JSON that names the machine."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

LEAST_ROUNDS = 50


def interleaved(
    calls: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 5, least: int = LEAST_ROUNDS
) -> dict[str, float]:
    """Call everything once a round, in `least` rounds at least; returns the median milliseconds of each.

    Every other round runs backwards, so that no call always follows the same one.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(-warm_up, max(rounds, least)):
        for name in sorted(calls, reverse=bool(number % 2)):
            start = time.perf_counter()
            calls[name]()
            taken = time.perf_counter() - start
            if number >= 0:
                seconds[name].append(taken)
    return {name: 1000 * median(taken) for name, taken in seconds.items()}


def report(title: str, rows: Sequence[Mapping[str, Any]], out: Path | None = None) -> None:
    """Show rows of the same keys as a Markdown table, and write them to `out` as JSON."""
    from rich import box

    table = Table(title=title, box=box.MARKDOWN)
    for key in rows[0]:
        table.add_column(key, justify="right")
    for row in rows:
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values()))
    Console().print(table)
    if out is not None:
        out.write_text(json.dumps({"title": title, "machine": machine(), "rows": list(rows)}, indent=1) + "\n")


def memory(field: str) -> int:
    """Return what /proc says of this process, in bytes: ``VmRSS`` is the memory in use, ``VmHWM`` its peak (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def machine() -> dict[str, Any]:
    """Say what the numbers depend on."""
    packages = ("unigurd-sdk", "onnxruntime", "tokenizers")
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "system": platform.system(),
        "python": platform.python_version(),
    } | {name: version(name) for name in packages}


def _cpu_name() -> str:
    """Name the processor where Linux says it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
