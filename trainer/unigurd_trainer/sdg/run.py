"""Stage SDG: a policy in, a data set with its card, report and result file out.

policy → lint → generator (which reflects on what it wrote, where it can) → de-duplication → split by group → shards.
The folder holds ``train/`` and ``dev/`` (shards of samples), ``policy.yaml``, ``card.md``, ``report.html``,
``review.jsonl`` (near-equal texts of different labels) and, when everything is done, ``run.json``.
"""

from __future__ import annotations

import json
import platform
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from unigurd_sdk.policy import Policy
from unigurd_trainer.errors import DataError, RecipeError
from unigurd_trainer.row_files import encoder
from unigurd_trainer.sdg.embedding import Embedder
from unigurd_trainer.sdg.hooks import Generator, Request
from unigurd_trainer.sdg.linter import Finding, lint
from unigurd_trainer.sdg.notes import markdown, notes_of
from unigurd_trainer.sdg.samples import LABELS, Sample, to_record
from unigurd_trainer.sdg.shards import ShardWriter, make_folder, read_index, replace_file
from unigurd_trainer.sdg.split import split_samples

if TYPE_CHECKING:
    from unigurd_trainer.report.measure import Report

__all__ = ["RESULT", "SdgSettings", "run"]

RESULT, SETTINGS = "run.json", "settings.json"
SPLITS = ("train", "dev")
PACKAGES = ("unigurd-sdk", "numpy", "onnxruntime", "pydantic")

Observe = Callable[[str, int], None]
"""Is told the name of the step and how many samples it has."""


class SdgSettings(BaseModel):
    """What a run is asked for.

    Attributes:
        count: Samples to generate; de-duplication may leave fewer.
        seed: Same policy, seed and generator, same plan.
        dev_share: Share of each label that goes to dev.
        deduplicate: Whether to drop duplicates.
        tau: Least cosine of semantic duplicates.
        form: Of the shards: ``jsonl`` or ``parquet``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int = Field(default=300, ge=2)
    seed: int = 0
    dev_share: float = Field(default=0.1, ge=0, le=0.5)
    deduplicate: bool = True
    tau: float = Field(default=0.9, gt=0, le=1)
    form: Literal["jsonl", "parquet"] = "jsonl"


def run(
    policy: Policy,
    generator: Generator,
    settings: SdgSettings,
    out: Path,
    *,
    options: BaseModel | None = None,
    embedder: Embedder | None = None,
    observe: Observe = lambda step, count: None,
    present: Callable[[Report], None] = lambda report: None,
) -> dict[str, Any]:
    """Make a data set, or go on with one; returns what is written to `out`/run.json.

    A finished run is not done again. An interrupted one, or one with another count or other options, asks the
    generator anew, which keeps a journal in `out` of what cannot be made again for free.

    Args:
        policy: The policy.
        generator: Makes the samples.
        settings: How many, and what becomes of them.
        out: The folder; one of another policy, seed or generator is refused.
        options: What only the generator understands.
        embedder: Compares meanings in the linter, in de-duplication and in the report; without one they do less.
        observe: Is told how far it is.
        present: Is given the report, for showing it.

    Raises:
        RecipeError: The linter found errors, or the folder belongs to another run.
        MissingExtra: Parquet is asked for without pyarrow; said before anything is generated.
        TrainerError: The generator cannot go on, or the disk is full.
    """
    asked = _asked(settings, options)
    encoder(settings.form)
    _require_same(out, _identity(policy, generator, settings, options))
    if (done := _finished(out, asked)) is not None:
        return done
    findings = _linted(policy, embedder)
    replace_file(out / "policy.yaml", policy.to_source().encode())
    started = time.monotonic()
    samples = _generated(generator, Request(policy, settings.count, settings.seed, out, options), observe)
    kept, duplicates = _deduplicated(samples, settings, out, embedder, observe)
    splits = dict(zip(SPLITS, split_samples(kept, settings.dev_share, settings.seed), strict=True))
    for name, rows in splits.items():
        _write(out / name, rows, settings.form)
    observe("reporting", len(kept))
    versions = [*getattr(generator, "policies", ())] or [policy]
    report = _reported(out, policy, versions, notes_of(getattr(generator, "statistics", None)), embedder)
    present(report)
    result = _result(policy, generator, asked, splits, findings) | {
        "generated": len(samples), "duplicates": duplicates, "report": report.to_dict(),
        "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip
    replace_file(out / RESULT, json.dumps(result, indent=1).encode())
    return _read_json(out / RESULT)


def _linted(policy: Policy, embedder: Embedder | None) -> tuple[Finding, ...]:
    findings = lint(policy, embedder)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        reasons = " ".join(f"[{finding.code}] {finding.message}" for finding in errors)
        raise RecipeError(f"The policy {policy.name!r} contradicts itself: {reasons} `sdg-lint` shows the lines.")
    return findings


def _generated(generator: Generator, request: Request, observe: Observe) -> list[Sample]:
    """Collect the samples; of the same text twice, the first."""
    samples: dict[str, Sample] = {}
    for sample in generator.generate(request):
        samples.setdefault(sample.id, sample)
        observe("generating", len(samples))
    if not samples:
        raise DataError(f"the generator {generator.name!r} made no sample for the policy {request.policy.name!r}")
    return [*samples.values()]


def _deduplicated(
    samples: Sequence[Sample], settings: SdgSettings, out: Path, embedder: Embedder | None, observe: Observe
) -> tuple[list[Sample], dict[str, int]]:
    if not settings.deduplicate:
        return [*samples], {}
    from unigurd_trainer.dedup.entry import of_sample
    from unigurd_trainer.dedup.pipeline import Options, deduplicate

    observe("de-duplicating", len(samples))
    options = Options(tau=settings.tau)
    outcome = deduplicate([of_sample(sample) for sample in samples], embedder=embedder, options=options)
    pairs = [
        {"tier": pair.tier, "similarity": pair.similarity, "rows": [to_record(samples[row]) for row in pair.rows]}
        for pair in outcome.reviews
    ]
    replace_file(out / "review.jsonl", "".join(json.dumps(pair) + "\n" for pair in pairs).encode())
    return [sample for sample, keep in zip(samples, outcome.keeps, strict=True) if keep], outcome.counts


def _write(folder: Path, samples: Sequence[Sample], form: str) -> None:
    """Write the shards of a split anew."""
    shutil.rmtree(folder, ignore_errors=True)
    with ShardWriter(folder, form=form) as writer:
        for sample in samples:
            writer.write(to_record(sample))


def _reported(
    out: Path, policy: Policy, versions: Sequence[Policy], notes: Sequence[str], embedder: Embedder | None
) -> Report:
    """Write card and report; returns what was measured. A generator may have clarified the policy: `versions`."""
    from unigurd_trainer.report.card import card
    from unigurd_trainer.report.html import render
    from unigurd_trainer.report.measure import measure

    places = [out / name for name in SPLITS if read_index(out / name).rows]
    measured = measure(places, embedder=embedder)
    text = card(measured, name=policy.name, policies=versions) + markdown(notes)
    replace_file(out / "card.md", text.encode())
    replace_file(out / "report.html", render(measured, title=policy.name, notes=notes).encode())
    return measured


def _result(
    policy: Policy,
    generator: Generator,
    asked: Mapping[str, Any],
    splits: Mapping[str, Sequence[Sample]],
    findings: Sequence[Finding],
) -> dict[str, Any]:
    statistics: Any = getattr(generator, "statistics", None)
    return {
        "policy": policy.name,
        "policy_fingerprint": policy.fingerprint,
        "policy_version": policy.version,
        "generator": generator.name,
        "asked": asked,
        "lint": [f"{finding.severity}: {finding.message}" for finding in findings],
        "rows": {name: _counts(samples) for name, samples in splits.items()},
        "statistics": statistics.to_record() if hasattr(statistics, "to_record") else {},
        "warnings": [*getattr(statistics, "warnings", ())],
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
    }


def _counts(samples: Sequence[Sample]) -> dict[str, int]:
    counts = Counter(sample.label for sample in samples)
    return {name: counts[label] for label, name in enumerate(LABELS)}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _asked(settings: SdgSettings, options: BaseModel | None) -> dict[str, Any]:
    """Return everything that was asked for, keys of endpoints excepted."""
    dumped = {} if options is None else options.model_dump(mode="json", exclude={"api_key", "threads"})
    return settings.model_dump(mode="json") | {"options": dumped}


def _finished(out: Path, asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the result of a finished run that was asked for the same; another one counts as unfinished."""
    if not (out / RESULT).exists():
        return None
    result = _read_json(out / RESULT)
    if result.get("asked") == asked:
        return result
    (out / RESULT).unlink()
    return None


def _identity(policy: Policy, generator: Generator, settings: SdgSettings, options: BaseModel | None) -> dict[str, Any]:
    """Return what must agree for a run to go on in a folder: with anything else the journal is worth nothing."""
    own: Any = getattr(options, "identity", None)
    return {
        "policy": policy.model_dump(mode="json", include={"name", "description", "allowed", "disallowed", "examples"}),
        "generator": generator.name,
        "seed": settings.seed,
        "options": own() if callable(own) else {},
    }


def _require_same(out: Path, identity: dict[str, Any]) -> None:
    """Note whose folder this is, or refuse if it is another run's."""
    path = out / SETTINGS
    if path.exists():
        there = _read_json(path)
        different = [name for name in identity if there.get(name) != identity[name]]
        if different:
            raise RecipeError(
                f"{out} holds a run with another {', '.join(different)}; choose another folder, or delete this one."
            )
        return
    make_folder(out)
    replace_file(path, json.dumps(identity, indent=1).encode())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"this cannot be read ({error}); delete the folder and run again", file=path) from error
    if not isinstance(document, dict):
        raise DataError("this is not a JSON object; delete the folder and run again", file=path)
    return document
