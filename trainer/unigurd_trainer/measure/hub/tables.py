"""Rows of the files that data sets are published in: CSV, JSON, JSON Lines and Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unigurd_trainer.errors import DataError
from unigurd_trainer.readers import Record
from unigurd_trainer.row_files import read_rows

__all__ = ["table"]


def table(file: Path) -> Iterator[Record]:
    """Read a file by its suffix, row by row; CSV has a heading, JSON is a list of objects.

    Raises:
        DataError: With file and line (in JSON and Parquet, the number of the row): it cannot be read.
        MissingExtra: It is a Parquet file, and pyarrow is not installed.
    """
    if file.suffix == ".csv":
        yield from _csv(file)
    elif file.suffix == ".json":
        yield from _json(file)
    else:
        yield from (_record(file, row.number, row.values) for row in read_rows(file))


def _csv(file: Path) -> Iterator[Record]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines, strict=True)
            for row in rows:
                if None in row or None in row.values():
                    wrong = f"this row has not the {len(rows.fieldnames or ())} columns of the heading"
                    raise DataError(f"{wrong}; is it CSV?", file=file, line=rows.line_num)
                yield Record(file, rows.line_num, row)
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"this is not CSV in UTF-8 ({error})", file=file, line=rows.line_num + 1) from error


def _json(file: Path) -> Iterator[Record]:
    try:
        rows = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"this is not JSON ({error})", file=file) from error
    if not isinstance(rows, list):
        raise DataError("this is not a list of rows", file=file)
    yield from (_record(file, number, row) for number, row in enumerate(rows, 1))


def _record(file: Path, number: int, values: Any) -> Record:  # noqa: ANN401 - whatever JSON holds
    if not isinstance(values, dict):
        raise DataError("this row is not an object", file=file, line=number)
    return Record(file, number, values)
