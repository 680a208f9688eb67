"""The validation rows that a recipe names, of the data folder and of files; none that trains, none of a test split."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from unigurd_sdk.policy import Policy
from unigurd_sdk.registry import PolicyRegistry
from unigurd_trainer.dedup.records import read_records, shards
from unigurd_trainer.errors import DataError, LeakageError, RecipeError
from unigurd_trainer.leakage import is_test_split
from unigurd_trainer.mixture import public_example, written_example
from unigurd_trainer.readers import read_conditioned, read_policies, read_pool
from unigurd_trainer.rows import ConditionedRow, Example, PoolRow
from unigurd_trainer.search.recipe import FileRecipe, RowsRecipe
from unigurd_trainer.taskdata import read_task

__all__ = ["read_validation"]

Pair = tuple[Policy, Example]


def read_validation(recipe: RowsRecipe, data: Path | None) -> Iterator[Pair]:
    """Read the rows of a recipe, each with its policy.

    Raises:
        LeakageError: A row is of a test split, or a file is one by its name.
        DataError: A row is not usable, or a policy has no rows.
        RecipeError: The recipe takes rows of a data folder, and there is none.
    """
    rows = [pair for file in recipe.files for pair in _of_file(file)]
    if recipe.written or recipe.public:
        if data is None:
            raise RecipeError(
                "The recipe takes rows of a data folder: give --data, or set rows.written and rows.public."
            )
        rows += _of_folder(recipe, data)
    names = {policy.name for policy, _ in rows}
    if missing := sorted(set(recipe.policies) - names):
        raise DataError(f"no validation rows are of the policies {', '.join(missing)}")
    return (pair for pair in rows if not recipe.policies or pair[0].name in recipe.policies)


def _of_folder(recipe: RowsRecipe, data: Path) -> Iterator[Pair]:
    policies = read_policies(data)
    if recipe.written:
        for row in read_conditioned(data):
            if _validates(row, row.policy_split == "seen"):
                yield _policy(row.policy, policies), written_example(row)
    if recipe.public:
        for public in read_pool(data, "dev"):
            if _validates(public, bool(public.policy)):
                yield _policy(public.policy, policies), public_example(public)


def _validates(row: ConditionedRow | PoolRow, usable: bool) -> bool:
    """Whether a row may choose: it does not train, and is not of a policy kept for reports; LeakageError for a test."""
    if is_test_split(row.split):
        raise LeakageError(f"A row of the {row.split!r} split of {row.source!r} may not choose a merge; take dev rows.")
    return usable and row.split != "train"


def _policy(name: str, policies: Mapping[str, Policy]) -> Policy:
    if name not in policies:
        raise DataError(f"rows are of the policy {name!r}, which the data folder does not have")
    return policies[name]


def _of_file(file: FileRecipe) -> Iterator[Pair]:
    path = Path(file.path)
    _require_no_test(path)
    policy, task = PolicyRegistry().resolve(file.policy), read_task(path, seed=file.seed)
    examples = task.dev if file.rows == "held-out" else (*task.train, *task.dev)
    return ((policy, example) for example in examples)


def _require_no_test(path: Path) -> None:
    for shard in shards([path]):
        if shard.parent.name.casefold() == "test" or "test" in re.split(r"[^a-z]+", shard.name.casefold()):
            raise LeakageError(f"{shard} is a test split by its name and may not choose a merge; take validation rows.")
    for located in read_records(shards([path])):
        if is_test_split(str(located.row.values.get("split") or "")):
            raise LeakageError(f"{located.file}, line {located.line}: a row of a test split may not choose a merge.")
