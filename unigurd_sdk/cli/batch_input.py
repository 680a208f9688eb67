"""The input of `unigurd batch`: a JSON Lines file, read so that no line is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class InputLine:
    """One line of the input.

    Attributes:
        number: Counted from 1, blank lines included.
        end: Bytes of the file up to and including this line.
        text: What to check; empty if `error` says why there is nothing to check.
        prompt: The prompt that the text answers, if there is one.
        error: Why the line is bad, or None.
    """

    number: int
    end: int
    text: str = ""
    prompt: str | None = None
    error: str | None = None


class _BadLine(Exception):
    """Why a line cannot be checked; never leaves this module."""


def read_lines(path: Path, text_field: str, prompt_field: str | None = None, *, after: int = 0) -> Iterator[InputLine]:
    """Yield every line behind number `after`, good or bad; blank lines are skipped."""
    end = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            end += len(raw)
            if number > after and raw.strip():
                yield _line(raw, number, end, text_field, prompt_field)


def _line(raw: bytes, number: int, end: int, text_field: str, prompt_field: str | None) -> InputLine:
    try:
        row = _row(raw)
        text = _string(row, text_field)
        prompt = None if prompt_field is None or row.get(prompt_field) is None else _string(row, prompt_field)
    except _BadLine as error:
        return InputLine(number, end, error=str(error))
    return InputLine(number, end, text, prompt)


def _row(raw: bytes) -> dict[str, object]:
    try:
        row = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _BadLine("not UTF-8") from error
    except json.JSONDecodeError as error:
        raise _BadLine(f"not JSON: {error.msg} at column {error.colno}") from error
    except (RecursionError, ValueError) as error:  # brackets without end, a number with thousands of digits
        raise _BadLine("JSON that is too deep or holds too long a number") from error
    if not isinstance(row, dict):
        raise _BadLine(f"expected an object, found {_kind(row)}")
    return row


def _string(row: dict[str, object], field: str) -> str:
    value = row.get(field)
    if field not in row:
        raise _BadLine(f"no field {field!r}")
    if not isinstance(value, str):
        raise _BadLine(f"the field {field!r} holds {_kind(value)}, not text")
    return value


def _kind(value: object) -> str:
    names = {bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "text" if isinstance(value, str) else "null")
