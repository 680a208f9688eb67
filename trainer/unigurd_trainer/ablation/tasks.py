"""TaskGuard against MultiTaskGuard by the number of training texts (the paper's figures 3 and 4)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from unigurd_trainer.ablation.grid import Cell, fill
from unigurd_trainer.ablation.material import Material, material_of
from unigurd_trainer.corpus import Corpus
from unigurd_trainer.errors import DataError
from unigurd_trainer.finetune import prepare, tune
from unigurd_trainer.metrics import measure
from unigurd_trainer.scoring import Scored
from unigurd_trainer.starts import find_start
from unigurd_trainer.task_recipe import TaskRecipe

__all__ = ["Plan", "run"]

Observe = Callable[[Cell, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """The grid.

    Attributes:
        policies: Their names.
        starts: Start by the name that tables give it (see `find_start`).
        modes: What trains (see `TaskRecipe`).
        sizes: Numbers of training texts; 0 measures the start itself, once for all modes and seeds.
        seeds: Of the sample, the order of texts and a fresh head.
    """

    policies: Sequence[str]
    starts: Mapping[str, str]
    modes: Sequence[str]
    sizes: Sequence[int]
    seeds: Sequence[int]

    def cells(self, materials: Mapping[str, Material]) -> Iterator[Cell]:
        """Give the combinations, small samples first; those that a policy has too few texts for are left out."""
        for size, seed, start, policy, mode in product(
            sorted(self.sizes), self.seeds, self.starts, self.policies, self.modes
        ):
            if size == 0 and (seed != self.seeds[0] or mode != self.modes[0]):
                continue
            if _enough(materials[policy], size):
                yield {"policy": policy, "start": start, "mode": mode if size else "none", "size": size, "seed": seed}


def run(plan: Plan, data: Path, out: Path, recipe: TaskRecipe, observe: Observe = lambda cell, row: None) -> int:
    """Fill the grid in `out` (JSON Lines); returns how many cells were missing."""
    corpus = Corpus.read(data)
    materials = {name: material_of(name, corpus) for name in plan.policies}

    def measured(cell: Cell) -> Mapping[str, Any]:
        row = _measure(cell, plan.starts[cell["start"]], materials[cell["policy"]], recipe)
        observe(cell, row)
        return row

    return fill(plan.cells(materials), measured, out)


def _measure(cell: Cell, start: str, material: Material, recipe: TaskRecipe) -> Mapping[str, Any]:
    """Train one cell in a folder of its own, and measure it on the test texts at a threshold of .5."""
    begin = find_start(start, seed=cell["seed"])
    folder = Path(tempfile.mkdtemp(prefix="unigurd-ablation-"))
    try:
        if not cell["size"]:
            data = material.sample(1, cell["seed"])
            task = prepare(material.policy, data, begin, folder, recipe)
            return _values(task.score(material.test)) | {"seconds": 0.0, "epochs": 0.0}
        settings = recipe.model_copy(update={"mode": cell["mode"], "seed": cell["seed"]})
        tuned = tune(material.policy, material.sample(cell["size"], cell["seed"]), begin, folder, recipe=settings)
        epochs = tuned.progress.best_step / tuned.task.setup.recipe.validate_every
        values = _values(tuned.task.score(material.test))
        return values | {"seconds": round(tuned.progress.seconds, 1), "epochs": round(epochs, 1)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _values(scored: Scored) -> dict[str, Any]:
    found = measure(scored.labels, scored.probabilities).to_dict()
    return {name: found[name] for name in ("rows", "f1", "fpr", "recall", "auc", "auprc")}


def _enough(material: Material, size: int) -> bool:
    try:
        data = material.sample(max(size, 1), 0)
    except DataError:
        return False
    return len(data.train) >= size
