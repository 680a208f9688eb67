"""A baseline over many rows: bounded, resumable, and never a verdict where there was no answer.

Every answer is in the file of predictions when it arrives; the same command goes on after an interruption and pays for
nothing twice. A row without an answer becomes invalid, which counts as wrong, but what would make every row so ends the
run: a service that denies access, limits the rate, takes no request at all, or stays silent.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unigurd_trainer.baselines.judgement import NO_ANSWER, Judgement
from unigurd_trainer.http.errors import NoAnswer, RequestRejected
from unigurd_trainer.measure.predictions import PredictionWriter
from unigurd_trainer.sdg.shards import replace_file

if TYPE_CHECKING:
    from unigurd_trainer.baselines.baseline import Adapter, Baseline
    from unigurd_trainer.baselines.options import BaselineOptions
    from unigurd_trainer.measure.questions import Question

__all__ = ["Tally", "forget_unanswered", "run", "run_adapter"]

MOST_SILENT = 10
"""Rows in a row without an answer, after which the service is taken to be gone."""

MOST_REJECTED = 10
"""Rows turned down before any was answered, after which the options are taken to be wrong."""

Observe = Callable[["Tally"], None]


@dataclass(slots=True)
class Tally:
    """What a run did.

    Attributes:
        rows: Different rows that were asked for.
        known: Of these, judged before.
        judged: Judged in this run, with a verdict.
        flagged: Of these, unsafe.
        invalid: Without a verdict in this run.
    """

    rows: int = 0
    known: int = 0
    judged: int = 0
    flagged: int = 0
    invalid: int = 0

    @property
    def done(self) -> int:
        """How many rows have their prediction."""
        return self.known + self.judged + self.invalid

    def add(self, judgement: Judgement) -> None:
        """Count a judgement."""
        self.judged += not judgement.invalid
        self.flagged += judgement.flagged and not judgement.invalid
        self.invalid += bool(judgement.invalid)


def run(
    baseline: Baseline[Any],
    options: BaselineOptions,
    questions: Iterable[Question],
    out: Path,
    observe: Observe = lambda tally: None,
) -> Tally:
    """Judge rows and write predictions; what is in the file already is not asked again.

    Args:
        baseline: Who is asked.
        options: How; of the type that the baseline has.
        questions: The rows.
        out: File of predictions (``.jsonl``).
        observe: Told of progress after every row.

    Raises:
        EndpointError: The service cannot be used, or not any more.
        DataError: The file holds other predictions.
    """
    return asyncio.run(_run(baseline, options, list(questions), out, observe))


async def _run(
    baseline: Baseline[Any], options: BaselineOptions, questions: list[Question], out: Path, observe: Observe
) -> Tally:
    header = baseline.header(options)
    if out.exists():
        PredictionWriter(out, header).close()  # predictions of another model are an error before a model is loaded
    async with baseline.open(options) as adapter:
        with PredictionWriter(out, header) as writer:
            return await run_adapter(adapter, questions, writer, options.ahead, observe)


async def run_adapter(
    adapter: Adapter,
    questions: Iterable[Question],
    writer: PredictionWriter,
    ahead: int,
    observe: Observe = lambda tally: None,
) -> Tally:
    """Judge rows with an adapter that is open, at most `ahead` of them at the same time."""
    unique = {each.id: each for each in questions}
    work = [each for key, each in unique.items() if key not in writer]
    book = _Book(writer, Tally(rows=len(unique), known=len(unique) - len(work)))
    observe(book.tally)
    running: set[asyncio.Task[None]] = set()
    try:
        for question in work:
            if len(running) >= ahead:
                running = await _some(running)
            running.add(asyncio.create_task(_judge(adapter, question, book, observe)))
        while running:
            running = await _some(running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    book.close()
    return book.tally


async def _judge(adapter: Adapter, question: Question, book: _Book, observe: Observe) -> None:
    try:
        judgement = await adapter.judge(question)
    except (NoAnswer, RequestRejected) as error:
        book.failed(question.id, error)
    else:
        book.answered(question.id, judgement)
    observe(book.tally)


async def _some(running: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Wait for at least one of the tasks, raise what it raised, and return those that still run."""
    done, pending = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for error in [task.exception() for task in done]:
        if error is not None:
            raise error
    return pending


@dataclass(slots=True)
class _Book:
    """Writes judgements and knows when failures are more than those of single rows."""

    writer: PredictionWriter
    tally: Tally
    silent: int = 0
    held: list[tuple[str, RequestRejected]] = field(default_factory=list)

    def answered(self, key: str, judgement: Judgement) -> None:
        self.silent = 0
        self._write(key, judgement)
        self._release()

    def failed(self, key: str, error: NoAnswer | RequestRejected) -> None:
        """Note a row without an answer; raise the error if it concerns more than this row."""
        if isinstance(error, RequestRejected):
            self.held.append((key, error))
            if self._trusted:
                self._release()
            elif len(self.held) >= MOST_REJECTED:
                raise error
            return
        self.silent += 1
        limited = error.status == 429 or error.wait is not None
        if not error.answered or limited or self.silent >= MOST_SILENT:
            raise error
        self._write(key, Judgement(invalid=f"{NO_ANSWER}: {error.reason}"))

    def close(self) -> None:
        """End the run; if the service took no row at all, that is an error."""
        if self.held and not self._trusted:
            raise self.held[0][1]
        self._release()

    @property
    def _trusted(self) -> bool:
        """Whether any row was ever answered, so that one that is turned down says something about that row."""
        return self.tally.judged > 0 or len(self.writer) > 0

    def _release(self) -> None:
        for key, error in self.held:
            self._write(key, Judgement(invalid=f"turned down with status {error.status}", label=error.reason))
        self.held.clear()

    def _write(self, key: str, judgement: Judgement) -> None:
        self.writer.write(judgement.prediction(key))
        self.tally.add(judgement)


def forget_unanswered(out: Path) -> int:
    """Take the rows that got no answer out of a file of predictions, to ask again, and return how many they were."""
    if not out.exists():
        return 0
    lines = out.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not _is_unanswered(line)]
    replace_file(out, "".join(kept).encode("utf-8"))
    return len(lines) - len(kept)


def _is_unanswered(line: str) -> bool:
    try:
        row = json.loads(line)
    except ValueError:  # cut by an interruption; the writer drops it
        return False
    return bool(row.get("invalid")) and str(row.get("note", "")).startswith(NO_ANSWER)
