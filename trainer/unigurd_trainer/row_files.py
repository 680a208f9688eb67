"""Row files: JSON Lines, also gzipped, and Parquet. Read row by row, written at once, or copied without a change."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unigurd_trainer.dedup.extra import load
from unigurd_trainer.errors import DataError, TrainerError

__all__ = ["FORMS", "SUFFIXES", "Encode", "Row", "copier", "encoder", "read_rows"]

SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")
FORMS = ("jsonl", "parquet")

_BATCH = 1024  # rows of a Parquet file that are held at once

Encode = Callable[[Sequence[Mapping[str, Any]]], bytes]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file.

    Attributes:
        number: Its line or, in a Parquet file, its place, from 1.
        values: What it says; what is null in a Parquet file is left out.
        raw: The row as it stands there: bytes without the end of the line, or a batch of one row.
    """

    number: int
    values: Any
    raw: Any


def read_rows(file: Path) -> Iterator[Row]:
    """Read a file in constant memory, by its suffix; blank lines are skipped.

    Raises:
        DataError: The file, or a line of it, cannot be read.
        MissingExtra: It is a Parquet file, and pyarrow is not installed.
    """
    return _parquet_rows(file) if file.suffix == ".parquet" else _json_rows(file)


def copier(file: Path, target: Path) -> AbstractContextManager[Callable[[Row], None]]:
    """Write rows of `file` to `target` as they are, in the form of `file`, except that nothing is gzipped."""
    return _parquet_copier(file, target) if file.suffix == ".parquet" else _line_copier(target)


def encoder(form: str) -> Encode:
    """Return what turns records into the content of a file.

    Raises:
        TrainerError: `form` is none of `FORMS`.
        MissingExtra: It is ``parquet``, and pyarrow is not installed.
    """
    if form not in FORMS:
        raise TrainerError(f"Shards are {' or '.join(map(repr, FORMS))}, not {form!r}.")
    if form == "parquet":
        load("pyarrow", purpose="Writing Parquet")
    return _parquet if form == "parquet" else _json_lines


def _json_rows(file: Path) -> Iterator[Row]:
    try:
        with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if content := line.rstrip(b"\r\n"):
                    yield Row(number, _decoded(content, file, number), content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot be read ({error})", file=file) from error


def _decoded(content: bytes, file: Path, number: int) -> Any:  # noqa: ANN401 - whatever JSON holds
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}; correct or remove the row", file=file, line=number) from error


def _parquet_rows(file: Path) -> Iterator[Row]:
    arrow, parquet = (load(name, purpose="Reading Parquet") for name in ("pyarrow", "pyarrow.parquet"))
    number = 0
    try:
        with parquet.ParquetFile(file, page_checksum_verification=True) as content:
            for batch in content.iter_batches(_BATCH):
                for at, values in enumerate(batch.to_pylist()):
                    number += 1
                    stated = {name: value for name, value in values.items() if value is not None}
                    yield Row(number, stated, batch.slice(at, 1))
    except (arrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"cannot be read as Parquet ({reason}); write it again or remove it", file=file) from error


@contextmanager
def _line_copier(target: Path) -> Iterator[Callable[[Row], None]]:
    with target.open("wb") as out:

        def copy(row: Row) -> None:
            out.write(row.raw + b"\n")

        yield copy


@contextmanager
def _parquet_copier(file: Path, target: Path) -> Iterator[Callable[[Row], None]]:
    arrow, parquet = (load(name, purpose="Writing Parquet") for name in ("pyarrow", "pyarrow.parquet"))
    kept: list[Any] = []
    with parquet.ParquetWriter(target, parquet.read_schema(file), write_page_checksum=True) as out:

        def write() -> None:
            if kept:
                out.write_table(arrow.Table.from_batches(kept).combine_chunks())
                kept.clear()

        def copy(row: Row) -> None:
            kept.append(row.raw)
            if len(kept) == _BATCH:
                write()

        yield copy
        write()


def _json_lines(records: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode(
        "utf-8", "backslashreplace"
    )


def _parquet(records: Sequence[Mapping[str, Any]]) -> bytes:
    """Encode records; a lone surrogate, which Parquet cannot hold, becomes its escape."""
    arrow, parquet = (load(name, purpose="Writing Parquet") for name in ("pyarrow", "pyarrow.parquet"))
    table = arrow.Table.from_pylist([_encodable(record) for record in records])
    fields = [field.with_type(_typed(arrow, field.type)) for field in table.schema]
    sink = arrow.BufferOutputStream()
    parquet.write_table(table.cast(arrow.schema(fields)), sink, write_page_checksum=True)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _typed(arrow: Any, kind: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Take a column without any value for strings, so that all shards have the same columns."""
    if arrow.types.is_list(kind):
        return arrow.list_(_typed(arrow, kind.value_type))
    return arrow.string() if arrow.types.is_null(kind) else kind


def _encodable(value: Any) -> Any:  # noqa: ANN401 - whatever a record holds
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {key: _encodable(item) for key, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, (list, tuple)) else value
