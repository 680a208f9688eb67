"""Stage export: the output folder of a training run in, a checkpoint folder out, and how far the two differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.manifest import Manifest
from unigurd_sdk.nn.model import GuardModel
from unigurd_sdk.runtime.arithmetic import choose_arithmetic
from unigurd_sdk.runtime.onnx import OnnxRuntime
from unigurd_sdk.runtime.torch import TorchRuntime
from unigurd_sdk.tokenizer import GuardTokenizer
from unigurd_trainer.base import find_base
from unigurd_trainer.corpus import Corpus
from unigurd_trainer.errors import TrainerError
from unigurd_trainer.export import export
from unigurd_trainer.gip import build
from unigurd_trainer.licences import sources_of
from unigurd_trainer.mixture import trainable_documents, trainable_intents, trainable_pool
from unigurd_trainer.parity import Parity, compare, probes
from unigurd_trainer.precision import Precision, Weights
from unigurd_trainer.recipe import DataRecipe, GipRecipe
from unigurd_trainer.runs import Run

__all__ = ["MAX_LENGTH", "OVERLAP", "Exported", "describe_run", "run"]

MAX_LENGTH, OVERLAP = 256, 32
"""Tokens of a window, and how far two windows of a long text overlap."""

_CONVERSION = 1e-3
"""The largest difference of scores that float32 on two runtimes may make."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A written checkpoint.

    Attributes:
        manifest: What was written.
        runtimes: Its ONNX graphs against its torch weights.
        training: Its ONNX graphs against the model as trained, in float32.
        arithmetic: Its text graph in int8 arithmetic against the one in float32; None if it has none, or this machine
            does not compute it exactly.
    """

    manifest: Manifest
    runtimes: Parity
    training: Parity
    arithmetic: Parity | None


def run(
    run_folder: Path,
    out: Path,
    *,
    precision: Precision = "int8-weights",
    name: str = "uniguard",
    data: Path | None = None,
    interim: bool = True,
    weights: Weights = "best",
) -> Exported:
    """Export a finished run of `unigurd-train gip`.

    Args:
        run_folder: Has `recipe.json`, `best.safetensors` and `result.json`.
        out: Checkpoint folder; existing files of the same names are replaced.
        precision: "int8-weights", "int8" or "fp32".
        name: What the checkpoint calls itself.
        data: The data folder of the run, to name the sources; None leaves them out.
        interim: Whether the checkpoint is shipped to be replaced.
        weights: Those of the best validation, or the last ones.

    Raises:
        DataError: The folder is not one of a finished run.
        TrainerError: The graphs do not compute what the model does.
    """
    finished = Run.open(run_folder)
    recipe = finished.recipe
    model, _ = build(recipe, finished.weights(weights))
    positions = model.config.encoder.positions
    manifest = describe_run(finished, positions, name=name, interim=interim, sources=_sources(finished, data))
    if weights == "last":  # the scores that a run keeps are those of its best weights
        manifest = manifest.model_copy(update={"scores": {}})
    export(model, find_base(recipe.model.base, recipe.model.revision).tokenizer_file, out, manifest, precision)
    exported = _compare(out, model)
    if precision == "fp32" and max(exported.runtimes.worst, exported.training.worst) > _CONVERSION:
        raise TrainerError(f"The graphs in {out} do not compute what the model does: {exported.training}. Report this.")
    return exported


def describe_run(
    finished: Run, positions: int, *, name: str = "guard", interim: bool = False, sources: tuple[str, ...] = ()
) -> Manifest:
    """Fill the manifest from a run; `positions` is the longest sequence that the encoder can read."""
    recipe, result, totals = finished.recipe, finished.result, finished.totals
    tools = ("onnx", "onnxruntime")
    return Manifest(
        name=name,
        interaction=recipe.model.interaction,
        base_model=recipe.model.base,
        base_licence=find_base(recipe.model.base, recipe.model.revision).licence,
        sources=sources,
        interim=interim,
        max_length=min(MAX_LENGTH, positions),
        line_length=recipe.data.max_line,
        overlap=min(OVERLAP, positions // 2),
        recipe_hash=result["recipe_hash"],
        data_hash=result["data_hash"],
        seed=result["seed"],
        versions=dict(result["versions"]) | {tool: version(tool) for tool in tools},
        trained_seconds=totals["seconds"],
        examples_seen=int(totals["examples"]),
        scores=_by_set(result["progress"]["scores"]),
    )


def _by_set(scores: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Group validation scores "set/metric" by set; the mean that steered the run is of no set."""
    grouped: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for key, value in scores.items():
        name, _, metric = key.rpartition("/")
        if name:
            grouped[name][metric] = value
    return dict(grouped)


def _sources(finished: Run, data: Path | None) -> tuple[str, ...]:
    """Name the sources of the rows that train, each with its licence; of a merge, those of all its runs."""
    if data is None:
        return ()
    found: dict[str, str] = {}
    for spec in {recipe.data.model_dump_json(): recipe.data for recipe in _recipes(finished)}.values():
        found |= _sources_of(spec, data)
    return tuple(f"{source}: {licence}" for source, licence in sorted(found.items()))


def _recipes(finished: Run) -> Iterator[GipRecipe]:
    """Yield the recipe of a run and, if it was merged of runs that are still there, of each of these."""
    yield finished.recipe
    for candidate in finished.result.get("merged", {}).get("candidates", ()):
        if (Path(candidate["name"]) / "recipe.json").is_file():
            yield from _recipes(Run.open(Path(candidate["name"])))


def _sources_of(spec: DataRecipe, data: Path) -> dict[str, str]:
    corpus = Corpus.read(data, holdout_seed=spec.holdout_seed, exclude=spec.exclude, only=spec.only)
    intents = trainable_intents(corpus.intents, corpus.holdout)
    pool = trainable_pool(corpus.pool, corpus.holdout)
    written = [row for row in corpus.conditioned if row.split == "train"]
    prose = trainable_documents(corpus.documents, corpus.holdout) if spec.documents else []
    return sources_of([*intents, *pool, *written, *prose])


def _compare(folder: Path, model: GuardModel) -> Exported:
    checkpoint = Checkpoint.open(folder)
    manifest = checkpoint.manifest
    segments, policies = probes(GuardTokenizer.from_file(checkpoint.file("tokenizer.json")), manifest)
    onnx = OnnxRuntime(checkpoint)
    runtimes, training = (
        compare(onnx, other, manifest, segments, policies)
        for other in (TorchRuntime(checkpoint), TorchRuntime(checkpoint, model=model))
    )
    possible = choose_arithmetic(manifest, "onnx", "auto") == "int8"
    faster = (
        compare(OnnxRuntime(checkpoint, arithmetic="int8"), onnx, manifest, segments, policies) if possible else None
    )
    return Exported(manifest, runtimes, training, faster)
