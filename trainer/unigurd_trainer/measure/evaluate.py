"""Evaluation: a checkpoint through the public guard, the way users run it, or foreign predictions, on labelled sets.

What is measured is in `selection`, who in `judges`, how verdicts come about in `thresholds`, what is taken from the
answers in `of_set`, and how sure the numbers are in `resample`.
"""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Callable, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

from unigurd_sdk.errors import ConfigError
from unigurd_trainer.corpus import data_hash
from unigurd_trainer.figures import new_figure
from unigurd_trainer.measure import plots
from unigurd_trainer.measure.judges import GuardJudge, Judge, Missing, opened
from unigurd_trainer.measure.latency import time_checks
from unigurd_trainer.measure.of_set import Measured, measure_set
from unigurd_trainer.measure.questions import asked, questions
from unigurd_trainer.measure.results import Results
from unigurd_trainer.measure.row_sets import read_policies_from, row_sets
from unigurd_trainer.measure.score import score
from unigurd_trainer.measure.selection import Selection
from unigurd_trainer.measure.sets import EvaluationSet, calibration_sets
from unigurd_trainer.measure.tables import markdown, parts_markdown
from unigurd_trainer.measure.thresholds import OWN, Decision, Rule, settle
from unigurd_trainer.rows import Episode
from unigurd_trainer.sdg.shards import make_folder, replace_file

__all__ = ["Observe", "Options", "run"]

log = logging.getLogger(__name__)

Observe = Callable[[str, int], None]
"""Told of progress: the set's name and how many rows of it were judged since the last time."""

Model = tuple[Judge, Decision]


@dataclass(frozen=True, slots=True)
class Options:
    """How to measure.

    Attributes:
        rule: How verdicts are made.
        calibrate_on: Files of rows to set a false positive rate on; none is the half of the data folder for that.
        against: A rival on the same rows: a checkpoint or predictions.
        missing: What rows without a prediction are.
        latency: Time so many safe and so many unsafe texts of each set, one check at a time; for checkpoints.
        resamples, seed: Of the bootstrap.
        keep: File of predictions for what a checkpoint says; an interrupted evaluation continues from it.
        plots: Folder for plots of every set.
        threads: Threads of one operation; None is one per core.
    """

    rule: Rule = OWN
    calibrate_on: Sequence[Path] = ()
    against: str | Path | None = None
    missing: Missing = "refuse"
    latency: int = 0
    resamples: int = 1000
    seed: int = 0
    keep: Path | None = None
    plots: Path | None = None
    threads: int | None = None


def run(
    system: str | Path,
    selection: Selection,
    out: Path | None = None,
    options: Options | None = None,
    *,
    prepared: Callable[[int], None] = lambda rows: None,
    observe: Observe = lambda name, rows: None,
) -> Results:
    """Measure a checkpoint or predictions.

    Args:
        system: A checkpoint, as for `Guard.from_pretrained`; or a file of predictions, or a folder of such files.
        selection: What to measure on.
        out: File for the results as JSON. Beside it go the tables (``.md``) and those of languages and categories
            (``.parts.md``). None writes nothing.
        options: How to measure.
        prepared: Told once how many rows will be judged.
        observe: Told of progress.

    Raises:
        ModelError: The checkpoint cannot be used.
        DataError: Rows or predictions cannot be used; file and line are named.
        ConfigError: The selection or the options do not go together.
        MissingExtra: Plots are asked for and matplotlib is not installed, or Parquet is read and pyarrow is not.
    """
    how = options or Options()
    if how.plots is not None:
        new_figure("", 1, 1)  # matplotlib is missed now, not after an hour
    with ExitStack() as stack:
        judges = _opened(stack, system, how)
        sets = selection.read()
        others = _unmeasured(_calibrating(selection, how), sets)
        prepared(len(judges) * sum(each.rows for each in (*sets, *others)))
        models = [(each, settle(how.rule, each, others, partial(observe, "threshold"))) for each in judges]
        measured = [_measured(models, each, how, observe) for each in sets]
    results = _results(models, selection, how, measured)
    if how.plots is not None:
        plots.draw_overview(results, how.plots)
    if out is not None:
        _write(results, out)
    return results


def _opened(stack: ExitStack, system: str | Path, how: Options) -> list[Judge]:
    """Open the model and its rival, if there is one."""
    judge = stack.enter_context(opened(system, threads=how.threads, keep=how.keep, missing=how.missing))
    if how.against is None:
        return [judge]
    return [judge, stack.enter_context(opened(how.against, threads=how.threads, missing=how.missing))]


def _calibrating(selection: Selection, how: Options) -> list[EvaluationSet]:
    """Return the sets that a false positive rate is set on, if the rule is one."""
    if how.rule.kind != "fpr":
        return []
    if how.calibrate_on:
        return row_sets(how.calibrate_on, read_policies_from(selection.policies))
    if selection.data is None:
        raise ConfigError("A false positive rate takes other rows to set it on; give --calibrate-on or --data.")
    return calibration_sets(selection.data, holdout_seed=selection.holdout_seed)


def _unmeasured(others: Sequence[EvaluationSet], sets: Sequence[EvaluationSet]) -> list[EvaluationSet]:
    """Leave the rows that are measured out of those that set the threshold."""
    if not others:
        return []
    measured = {each.id for each in questions(sets)}
    kept = [replace(each, episodes=tuple(_without(episode, measured) for episode in each.episodes)) for each in others]
    if left_out := sum(each.rows for each in others) - sum(each.rows for each in kept):
        log.warning("%d rows that would set the threshold are measured, and are left out of that", left_out)
    return kept


def _without(episode: Episode, ids: Set[str]) -> Episode:
    rows = zip(episode.examples, asked([episode]), strict=True)
    return replace(episode, examples=tuple(row for row, each in rows if each.id not in ids))


def _measured(models: Sequence[Model], chosen: EvaluationSet, how: Options, observe: Observe) -> Measured:
    """Ask all models about a set, and measure the first, with the other as its rival."""
    said = [decide(judge.judge(chosen, partial(observe, chosen.name))) for judge, decide in models]
    first = models[0][0]
    if how.latency and isinstance(first, GuardJudge):
        said[0] = replace(said[0], latency_ms=time_checks(first.guard, chosen, how.latency, how.seed))
    if how.plots is not None:
        plots.draw_set(chosen.name, list(zip(_names(models), said, strict=True)), how.plots)
    return measure_set(chosen, first.system, said, how.resamples, how.seed)


def _names(models: Sequence[Model]) -> list[str]:
    """Return what tells the models apart in plots: their names, or their versions if these are the same."""
    systems = [judge.system for judge, _ in models]
    same = len({system.name for system in systems}) < len(systems)
    return [f"{system.name}@{system.version}" if same else system.name for system in systems]


def _results(models: Sequence[Model], selection: Selection, how: Options, measured: Sequence[Measured]) -> Results:
    systems = [judge.system for judge, _ in models]
    system = systems[0]
    named = selection.data is not None and any(each.chosen.provenance.source == "data folder" for each in measured)
    return Results(
        checkpoint=system.name,
        checkpoint_id=system.version,
        temperature=system.temperature,
        threshold=system.threshold,
        thresholds=system.thresholds,
        data_hash=data_hash(selection.data) if named and selection.data is not None else "",
        versions=_versions(),
        sets=tuple(each.result for each in measured),
        kind=system.kind,
        rule=models[0][1].to_dict(),
        settings=system.settings,
        score=score(measured),
        against=(systems[1].name, systems[1].version) if len(systems) > 1 else None,
        resamples=how.resamples,
        seed=how.seed,
    )


def _versions() -> dict[str, str]:
    packages = ("unigurd-sdk", "onnxruntime", "tokenizers", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def _write(results: Results, out: Path) -> None:
    """Write the results and the tables, each whole or not at all."""
    make_folder(out.parent)
    plain = json.dumps(results.to_dict(), indent=1, ensure_ascii=False)
    replace_file(out, f"{plain}\n".encode())
    replace_file(out.with_suffix(".md"), markdown(results).encode())
    parts = out.with_suffix(".parts.md")
    parts.unlink(missing_ok=True)
    if tables := parts_markdown(results):
        replace_file(parts, tables.encode())
