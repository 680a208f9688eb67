"""What int8 arithmetic keeps and saves beside float32, in one checkpoint that has both.

    python benchmarks/arithmetic.py verdicts CHECKPOINT --data DATA [--json out.json]
    python benchmarks/arithmetic.py times CHECKPOINT [--threads 1 --threads 2] [--json out.json]

`verdicts` asks both about the same rows, as users do, with all views. `times` has both in the same rounds, and beside
them a bare session of the float32 graph (see `latency.py`); the last row is `check_batch` on mixed texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from latency import POLICY, floor_of, text_of
from throughput import mixed_texts
from timing import LEAST_ROUNDS, interleaved, report
from unigurd_sdk import Guard
from unigurd_trainer.measure.judged import Judged
from unigurd_trainer.measure.judges import judge
from unigurd_trainer.measure.sets import EvaluationSet, report_sets

SETS = ("pool-dev", "sdg-dev", "sdg-unseen")
TOKENS = (16, 32, 64, 128, 256)
MIXED = 24

app = typer.Typer(add_completion=False)

CheckpointFolder = Annotated[Path, typer.Argument(help="Checkpoint folder with both text graphs.")]
Json = Annotated[Path | None, typer.Option(help="Also write the rows to this file.")]


@contextmanager
def both(folder: Path, threads: int) -> Iterator[tuple[Guard, Guard]]:
    """Open a checkpoint twice: in float32 and in int8."""
    opened = partial(Guard.from_pretrained, folder, threads=threads, runtime="onnx")
    with opened(arithmetic="float32") as slow, opened(arithmetic="int8") as fast:
        yield slow, fast


@app.command()
def verdicts(
    checkpoint: CheckpointFolder,
    data: Annotated[Path, typer.Option(envvar="UNIGURD_DATA", help="Data folder.")],
    json: Json = None,
) -> None:
    """Compare verdicts and measures on validation rows."""
    report("Int8 arithmetic beside float32, one model", compared(checkpoint, data), json)


def compared(checkpoint: Path, data: Path) -> list[dict[str, Any]]:
    """Return how far verdicts agree, by set and over all."""
    chosen = [each for each in report_sets(data, SETS) if each.name.count("/") == each.name.startswith("pool-dev")]
    with both(checkpoint, 1) as guards:
        answers = [[judge(guard, each.episodes) for each in chosen] for guard in guards]
    rows = [_agreement(*row) for row in zip(chosen, *answers, strict=True)]
    return [*rows, _all(rows)]


def _agreement(chosen: EvaluationSet, slow: Judged, fast: Judged) -> dict[str, Any]:
    gap = np.abs(_scores(slow) - _scores(fast))
    before, after = slow.measure(), fast.measure()
    return {
        "set": chosen.name, "rows": len(slow), "equal verdicts": int((slow.flagged == fast.flagged).sum()),
        "worst": f"{gap.max():.4f}", "mean": f"{gap.mean():.5f}",
        "F1 float32": f"{before.f1:.4f}", "F1 int8": f"{after.f1:.4f}",
        "AUC float32": f"{before.auc:.4f}", "AUC int8": f"{after.auc:.4f}",
    }  # fmt: skip


def _all(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Add up the rows; measures of different sets are not averaged."""
    counts = {key: sum(row[key] for row in rows) for key in ("rows", "equal verdicts")}
    worst = max(row["worst"] for row in rows)
    mean = np.average([float(row["mean"]) for row in rows], weights=[row["rows"] for row in rows])
    empty = dict.fromkeys(list(rows[0])[5:], "")
    return {"set": "all", **counts, "worst": worst, "mean": f"{mean:.5f}", **empty}


def _scores(judged: Judged) -> np.ndarray:
    assert judged.scores is not None
    return judged.scores


@app.command()
def times(
    checkpoint: CheckpointFolder,
    threads: Annotated[list[int], typer.Option(help="Threads of one operation; repeatable.")] = [1, 2],  # noqa: B006
    rounds: Annotated[int, typer.Option(help="Interleaved rounds; at least 50.")] = LEAST_ROUNDS,
    json: Json = None,
) -> None:
    """Compare the time of a check by length, and of a batch."""
    rows = [row for count in threads for row in _timed(checkpoint, count, rounds)]
    report("The same calls in float32 and in int8 (median ms)", rows, json)


def _timed(folder: Path, threads: int, rounds: int) -> Iterator[dict[str, Any]]:
    with both(folder, threads) as guards:
        for row in (*_checks(folder, guards, threads, rounds), _batches(guards)):
            yield {"threads": threads} | row


def _checks(folder: Path, guards: tuple[Guard, Guard], threads: int, rounds: int) -> Iterator[dict[str, Any]]:
    slow, fast = guards
    floor = floor_of(slow, threads)
    calls: dict[str, Callable[[], object]] = {}
    for count in TOKENS:
        text = text_of(folder, count)
        calls[f"slow {count}"] = partial(slow.check, text, policy=POLICY)
        calls[f"fast {count}"] = partial(fast.check, text, policy=POLICY)
        calls[f"bare {count}"] = floor(text)
    taken = interleaved(calls, rounds)
    for count in TOKENS:
        yield _row(f"check, {count} tokens", *(taken[f"{name} {count}"] for name in ("slow", "fast", "bare")))


def _batches(guards: tuple[Guard, Guard]) -> dict[str, Any]:
    """Time `check_batch`, in a few rounds."""
    slow, fast = guards
    texts = mixed_texts(MIXED)
    calls = {name: partial(each.check_batch, texts, policy=POLICY) for name, each in (("slow", slow), ("fast", fast))}
    taken = interleaved(calls, rounds=5, warm_up=1, least=5)
    return _row(f"check_batch, {MIXED} mixed texts", taken["slow"], taken["fast"])


def _row(what: str, slow: float, fast: float, bare: float | None = None) -> dict[str, Any]:
    return {
        "": what, "float32": slow, "int8": fast, "bare float32 session": "" if bare is None else bare,
        "times as fast": slow / fast,
    }  # fmt: skip


if __name__ == "__main__":
    app()
