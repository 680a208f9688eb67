"""Every aim of the runtime with its measured value: `make bench`.

    python benchmarks/suite.py [CHECKPOINT] [--data DATA] [--quick] [--out docs/results/bench]

Everything is a ratio within one run, of medians (see the scripts that this one calls). A missed aim is printed in
red, and the exit status is 0 all the same: nothing here is a test. What is found and flagged is measured where there is
a data folder. Writes OUT.json and OUT.md.
"""

from __future__ import annotations

import importlib.util
import json
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

import arithmetic
import cold_start
import depth
import latency
import peers
import policy_length
import streaming
import throughput
import timeouts
import views
import whole_documents
from latency import POLICY
from scoring import Inside
from timing import interleaved, machine
from unigurd_sdk import Guard
from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.runtime import settle

TICKS = (0.25, 0.5, 1, 2, 4, 8)

LINES = "lines are encoded once and kept; what is left is the head, in which every line reads the text"
ENCODER = "the encoder is the same; fusion, int8, fp16, session options and buffers: docs/benchmarks.md"
LOOPS = "windows sorted by length, batches by tokens; the rest is int8 beside float32: docs/benchmarks.md"
DOCUMENTS = "training on documents, slopes and sizes of windows: docs/decisions/0010-views.md, 0013-third-generation.md"


@dataclass(frozen=True, slots=True)
class Aim:
    """What is measured, the bound that it should keep, and what was tried where it is missed."""

    what: str
    side: Literal["at most", "at least"]
    bound: float
    measured: float
    tried: str = ""

    @property
    def met(self) -> bool:
        """Whether the bound is kept."""
        return self.measured <= self.bound if self.side == "at most" else self.measured >= self.bound

    @property
    def outcome(self) -> str:
        """Whether it is, in words, and what was tried."""
        return "met" if self.met else f"missed; tried: {self.tried or 'nothing yet'}"

    @property
    def margin(self) -> float:
        """How many times better than the bound it is, as far as the plot goes; 1 keeps it, less misses it.

        A loss is below zero and so is its bound: there too the smaller number is the better one.
        """
        share = self.measured / self.bound
        return share if self.side == "at least" and self.bound > 0 else 1 / max(share, 1 / TICKS[-1])


def main() -> None:
    """Measure all aims."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("checkpoint", nargs="?", type=Path, default=Path("unigurd_sdk/models/uniguard"))
    parser.add_argument("--quick", action="store_true", help="fewer rounds and texts")
    parser.add_argument("--out", type=Path, help="write OUT.json, OUT.md and, with matplotlib, OUT.png and OUT.svg")
    parser.add_argument("--data", type=Path, help="the data folder, for what is found and flagged")
    args = parser.parse_args()
    console = Console()
    aims: list[Aim] = []
    parts = [of_latency, of_length, of_policies, of_peers, of_cold_start, of_throughput, of_streams, of_timeouts]
    if args.data is not None:
        parts += [partial(part, args.data) for part in (of_attacks, of_documents, of_views, of_arithmetic)]
    for number, part in enumerate(parts, start=1):
        with console.status(f"part {number} of {len(parts)}"):
            aims += part(args.checkpoint, args.quick)
    console.print(table(aims))
    if args.out is not None:
        write(aims, args.out)
        draw(aims, args.out)


def of_latency(folder: Path, quick: bool) -> Iterator[Aim]:
    """A check beside tokenising and running the graph in a bare session."""
    rounds = 50 if quick else 200
    found = {row["tokens"]: row["ratio"] for row in latency.measure(folder, 1, [32, 256], rounds)}
    yield Aim("check of 32 tokens / bare session", "at most", 1.25, found[32])
    yield Aim("check of 256 tokens / bare session", "at most", 1.10, found[256])


def of_length(folder: Path, quick: bool) -> Iterator[Aim]:
    """A text, and one ten times as long."""
    short = latency.text_of(folder, 1000)
    with Guard.from_pretrained(folder, threads=1, runtime="onnx") as guard:
        calls = {"1": partial(guard.check, short, policy=POLICY), "10": partial(guard.check, short * 10, policy=POLICY)}
        taken = interleaved(calls, 3 if quick else 9, warm_up=1, least=3)
    yield Aim("time of a text / of a tenth of it", "at most", 12.0, taken["10"] / taken["1"])


def of_policies(folder: Path, quick: bool) -> Iterator[Aim]:
    """Long policies, and many."""
    rows = policy_length.measure(folder, 1, 32, 50 if quick else 200)
    found = {row["policies"]: row["check ms"] for row in rows}
    longer = found["1 policy, 400 words"] / found["1 policy, 20 words"]
    yield Aim("policy of 400 words / of 20", "at most", 1.1, longer, LINES)
    yield Aim("ten policies / one", "at most", 3.0, found["10 built-in"] / found["1 built-in"])


def of_peers(folder: Path, quick: bool) -> Iterator[Aim]:
    """The pipeline of transformers on the same encoder, where it is installed."""
    found = {row[""]: row["check / it"] for row in peers.measure(folder, 32, 1, 50 if quick else 100)}
    for name, speed in found.items():
        if name.startswith("pipeline"):
            yield Aim(f"{name}, 32 tokens / check", "at least", 5.0, speed, ENCODER)


def of_cold_start(folder: Path, quick: bool) -> Iterator[Aim]:
    """A fresh process."""
    found: Mapping[str, Mapping[str, Any]] = {row[""]: row for row in cold_start.measure(folder, 3 if quick else 9)}
    own = found["uniguard"]
    yield Aim("first verdict / import of transformers", "at most", 0.6, own["to import transformers"])
    yield Aim("first verdict / bare script", "at most", 2.0, own["to bare"])
    yield Aim("memory after the first verdict / bare script", "at most", 1.5, own["RSS to bare"])
    yield Aim("import unigurd_sdk, ms", "at most", 60.0, found["import unigurd_sdk"]["ms"])


def of_throughput(folder: Path, quick: bool) -> Iterator[Aim]:
    """Many texts, and many callers."""
    texts = throughput.mixed_texts(300 if quick else 2000)
    own, *naive, callers = throughput.measure(folder, 2, texts, 64, 1 if quick else 3)
    for loop in naive:
        yield Aim(f"check_batch / {loop['']}", "at least", 3.0, 1 / loop["of check_batch"], LOOPS)
    yield Aim("64 callers of acheck / check_batch", "at least", 0.8, callers["of check_batch"])
    late = callers["loop late ms (p99)"] * own["texts/s"] / 1000
    yield Aim("event loop late under 64 callers (p99) / one text", "at most", 1.0, late)


def of_timeouts(folder: Path, quick: bool) -> Iterator[Aim]:
    """The shortest limit that is measured, over all lengths."""
    rows = timeouts.measure(folder, 3 if quick else 9)
    worst = max(row["median"] for row in rows if row["limit s"] == min(timeouts.SECONDS))
    yield Aim(f"a time-out of {min(timeouts.SECONDS)} s / its limit", "at most", 1.2, worst)


def of_streams(folder: Path, quick: bool) -> Iterator[Aim]:
    """Tokens that a guarded stream scores, over one scan of its text; a source faster than any model."""
    text = latency.text_of(folder, 150 if quick else 300)
    with Guard.from_pretrained(folder, threads=1, runtime="onnx") as guard:
        whole = streaming.one_check(guard, text)
        rows = [streaming.measure(guard, text, whole, *case, rate=1e6) for case in streaming.CASES]
    yield Aim("tokens scored in a stream / in one scan", "at most", 3.0, max(row["scored"] for row in rows))


def of_attacks(data: Path, folder: Path, quick: bool) -> Iterator[Aim]:
    """Attacks in documents, beside the same attacks alone."""
    inside = Inside(folder, [depth.POLICY])
    every = depth.table(inside, depth.place_all(inside, data, 40 if quick else 200))[0]
    less = every["as shipped"] - every["alone"]
    yield Aim("attacks found in documents less alone, points", "at least", -2.0, less, DOCUMENTS)


def of_documents(data: Path, folder: Path, quick: bool) -> Iterator[Aim]:
    """Benign documents, beside short texts."""
    inside = Inside(folder, whole_documents.POLICIES)
    short, long = whole_documents.shipped(
        inside, [*whole_documents.read_all(inside, data, "reported", 20 if quick else None)]
    )
    yield Aim("long benign documents flagged / short texts", "at most", 1.5, long / short, DOCUMENTS)


def of_views(data: Path, folder: Path, quick: bool) -> Iterator[Aim]:
    """Benign texts that look unusual, read with views and without."""
    every = views.benign(Inside(folder, views.BENIGN), data, 200 if quick else 1000)[-1]
    yield Aim("benign texts flagged more with views, points", "at most", 0.5, every["after"] - every["before"])


def of_arithmetic(data: Path, folder: Path, quick: bool) -> Iterator[Aim]:
    """Verdicts and F1 in int8 arithmetic, where the processor computes that exactly, beside float32; takes minutes."""
    if not quick and "int8" in settle(Checkpoint.open(folder).manifest, "onnx", "cpu", "auto"):
        *rows, every = arithmetic.compared(folder, data)
        lost = max(float(row["F1 float32"]) - float(row["F1 int8"]) for row in rows)
        yield Aim("verdicts of int8 as of float32, %", "at least", 99.5, 100 * every["equal verdicts"] / every["rows"])
        yield Aim("F1 lost to int8 where it is most, points", "at most", 0.3, 100 * lost)


def table(aims: list[Aim]) -> Table:
    """Show aims; missed ones are red, with what was tried."""
    shown = Table(title="Aims and what was measured")
    for head in ("", "aim", "measured", ""):
        shown.add_column(head)
    for aim in aims:
        row = (aim.what, f"{aim.side} {aim.bound:g}", f"{aim.measured:.2f}", aim.outcome)
        shown.add_row(*row, style="green" if aim.met else "red")
    return shown


def write(aims: list[Aim], out: Path) -> None:
    """Write the table as JSON and Markdown."""
    rows = [asdict(aim) | {"met": aim.met} for aim in aims]
    out.with_suffix(".json").write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")
    lines = ["| | aim | measured | |", "| --- | --- | ---: | --- |"]
    for aim in aims:
        outcome = aim.outcome.replace("missed", "**missed**", 1)
        lines.append(f"| {aim.what} | {aim.side} {aim.bound:g} | {aim.measured:.2f} | {outcome} |")
    facts = ", ".join(f"{key} {value}" for key, value in machine().items())
    out.with_suffix(".md").write_text("\n".join(lines) + f"\n\n{facts}.\n")


def draw(aims: list[Aim], out: Path) -> None:
    """Draw how far each aim is kept or missed: to the right of the line is better; without matplotlib, nothing."""
    if importlib.util.find_spec("matplotlib") is None:
        return
    from matplotlib.figure import Figure

    shown = aims[::-1]
    margins = [aim.margin for aim in shown]
    figure = Figure(figsize=(9, 0.4 * len(aims) + 1.2), layout="constrained")
    axes = figure.subplots()
    colors = ["#2a7f62" if aim.met else "#b3261e" for aim in shown]
    axes.barh([aim.what for aim in shown], [margin - 1 for margin in margins], left=1, color=colors)
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes.minorticks_off()
    axes.set_xlabel("times better than the aim (1 keeps it; red: missed)")
    for form in ("png", "svg"):
        figure.savefig(out.with_suffix(f".{form}"), metadata={"Date": None} if form == "svg" else None)


if __name__ == "__main__":
    main()
