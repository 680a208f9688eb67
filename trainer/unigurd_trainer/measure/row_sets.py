"""Sets from files: rows of the form of the data folder's ``dev``, in JSON Lines or Parquet, one set for each source.

A row has ``text``, ``label`` (``safe`` or ``unsafe``) and ``policy``, and may have ``category``, ``source``, ``lang``,
``license``, ``prompt`` and ``response``; a row with a response judges the response, the prompt being context. Without
a source it belongs to the set that is called like its file.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from unigurd_sdk.errors import InvalidPolicy, UnknownPolicy
from unigurd_sdk.policy import Policy, is_policy_path
from unigurd_sdk.registry import PolicyRegistry
from unigurd_trainer.errors import DataError
from unigurd_trainer.measure.sets import EvaluationSet, Provenance, row_set
from unigurd_trainer.readers import Record, dev_row
from unigurd_trainer.row_files import SUFFIXES, read_rows
from unigurd_trainer.rows import DevRow

__all__ = ["read_policies_from", "row_sets"]


def row_sets(paths: Sequence[Path], policies: Mapping[str, Policy] | None = None) -> list[EvaluationSet]:
    """Read files, or the files of folders, as sets by source.

    Args:
        paths: Files that end in one of `SUFFIXES`, or folders that hold some.
        policies: Policies beside the built-in ones, by the names that rows use; see `read_policies_from`.

    Raises:
        DataError: With file and line: nothing to read, a label or a policy that is not known, a damaged row.
    """
    known = PolicyRegistry() if policies is None else policies
    by_source: defaultdict[str, list[DevRow]] = defaultdict(list)
    files: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for file in (file for path in paths for file in _files(path)):
        revision = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        for row in _read(file, known):
            by_source[row.source].append(row)
            files[row.source][file.name] = revision
    return [row_set(source, rows, known, _provenance(files[source])) for source, rows in sorted(by_source.items())]


def read_policies_from(paths: Sequence[Path]) -> PolicyRegistry:
    """Return the built-in policies and those of files: YAML or TOML with one each, JSON Lines with one a line.

    A policy of a file takes the place of a built-in one of the same name.

    Raises:
        DataError, InvalidPolicy: A file cannot be read, or what it says is no policy.
    """
    registry = PolicyRegistry()
    for path in paths:
        for policy in [Policy.from_file(path)] if is_policy_path(str(path)) else _policies(path):
            registry.add(policy, source=str(path), replace=True)
    return registry


def _read(file: Path, known: Mapping[str, Policy]) -> Iterator[DevRow]:
    empty = True
    for record in _records(file):
        empty = False
        row = dev_row(record, file.name.partition(".")[0])
        try:
            known[row.policy]
        except UnknownPolicy as error:
            raise record.error(f"{error} Give its file with --policies.") from error
        yield row
    if empty:
        raise DataError("the file has no rows", file=file)


def _policies(path: Path) -> Iterator[Policy]:
    for record in _records(path):
        try:
            yield Policy(**record.values)
        except InvalidPolicy as error:
            raise record.error(f"this is not a policy ({error.reason})") from error


def _records(file: Path) -> Iterator[Record]:
    for row in read_rows(file):
        if not isinstance(row.values, dict):
            raise DataError("this is not a JSON object; write one row a line", file=file, line=row.number)
        yield Record(file, row.number, row.values)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.name.endswith(SUFFIXES))
    else:
        found = [path] if path.is_file() and path.name.endswith(SUFFIXES) else []
    if not found:
        reason = (
            "there is no such file" if not path.exists() else f"rows are in files that end in {', '.join(SUFFIXES)}"
        )
        raise DataError(f"{reason}; name a file or a folder of them", file=path)
    return found


def _provenance(files: Mapping[str, str]) -> Provenance:
    return Provenance(
        source=", ".join(files),
        revision=", ".join(files.values()),
        split="the file",
        mapping="label",
        in_score=True,
    )
