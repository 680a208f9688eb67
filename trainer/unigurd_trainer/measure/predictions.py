"""Predictions: what any model said of rows, as JSON Lines; this page is the format.

A file (``.jsonl`` or ``.jsonl.gz``, UTF-8) starts with a header line, and each further line is what the model said of
one row; blank lines do not count::

    {"predictions": 1, "model": "acme-moderation", "version": "2026-11-01", "threshold_rule": "flagged by the service"}
    {"id": "4f8d2c0a91be7f36", "flagged": true, "score": 0.93, "latency_ms": 412.0}
    {"id": "c2d9a7710b5e4f18", "flagged": false, "score": 0.02, "latency_ms": 388.5}
    {"id": "0b6a5f3d99e1c274", "invalid": true, "latency_ms": 951.0, "note": "an essay, not a verdict"}

The fields are those of `Header` and `Prediction`; an unknown one is an error. A folder holds such files; their headers
are all the same. The id is `row_id`: a hash of everything that is judged, so that it depends on no file and no order,
and predictions of many sets may share a file. Rows that occur twice in the data have one id and one prediction.
`PredictionWriter` writes such a file and continues it after an interruption; `read_predictions` reads it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from unigurd_sdk.policy import Policy
from unigurd_trainer.errors import DataError
from unigurd_trainer.readers import numbered_lines

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Header", "Prediction", "PredictionWriter", "Predictions", "read_predictions", "row_id"]

SUFFIXES = (".jsonl", ".jsonl.gz")

Score = Annotated[float, Field(ge=0, le=1)]


class Header(BaseModel):
    """The first line: who predicted, and how a score becomes a verdict.

    Attributes:
        predictions: Version of this format.
        model: The model's name, as tables show it.
        version: Which one exactly: a date, a commit, the version of a package.
        threshold: The score from which a row without ``flagged`` is unsafe.
        threshold_rule: How ``flagged`` or the threshold came about, in words.
        trained_on: Names of evaluation sets whose train split the model is known to have been trained on.
        settings: Whatever else decides the answers, such as a temperature or the hash of a prompt; recorded as it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    predictions: Literal[1] = 1
    model: Annotated[str, Field(min_length=1)]
    version: str = ""
    threshold: Score = 0.5
    threshold_rule: str = ""
    trained_on: tuple[str, ...] = ()
    settings: Mapping[str, Any] = {}


class Prediction(BaseModel):
    """What a model said of one row: a score, a verdict, both, or nothing that counts.

    Attributes:
        id: The row's `row_id`.
        score: Probability of a violation; where a model has none, any number from 0 to 1 that grows with the danger.
        flagged: The model's own verdict; without it the header's threshold decides.
        invalid: The model gave no usable answer; this counts as wrong, whatever the label.
        latency_ms: Wall time of this one answer in milliseconds, as a caller waited for it.
        note: Anything worth keeping; not read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    id: Annotated[str, Field(min_length=1)]
    score: Score | None = None
    flagged: bool | None = None
    invalid: bool = False
    latency_ms: Annotated[float, Field(ge=0)] | None = None
    note: str = ""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.invalid and self.score is None and self.flagged is None:
            raise ValueError("a prediction has a score or flagged, or is invalid")
        return self


def row_id(policy: Policy, role: str, prompt: str | None, text: str) -> str:
    """Sha256 (first 16 hex digits) of the JSON list [policy fingerprint, role, prompt, text] in ASCII.

    `Policy.fingerprint` covers what the policy says, not its name: a policy that is worded otherwise asks another
    question.
    """
    return row_hash(policy.fingerprint, role, prompt, text)


def row_hash(fingerprint: str, role: str, prompt: str | None, text: str) -> str:
    """Return the `row_id` under a policy with this fingerprint."""
    return hashlib.sha256(json.dumps([fingerprint, role, prompt, text]).encode("ascii")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Predictions:
    """What one model said.

    Attributes:
        header: Who predicted.
        rows: By id.
        fingerprint: Sha256 (16 hex digits) over header and rows; their order does not matter.
    """

    header: Header
    rows: Mapping[str, Prediction]
    fingerprint: str

    @property
    def scored(self) -> bool:
        """True if the rows have scores; `read_predictions` sees to it that all have or none has."""
        return any(row.score is not None for row in self.rows.values())


def read_predictions(path: Path) -> Predictions:
    """Read a file of predictions, or all the ``.jsonl`` and ``.jsonl.gz`` files of a folder.

    Raises:
        DataError: With file and line: there is nothing to read, a line is wrong, an id stands twice, two headers
            differ, or some rows have a score and others only a verdict.
    """
    rows: dict[str, Prediction] = {}
    header: Header | None = None
    scored: bool | None = None
    for file in _files(path):
        own, lines = _opened(file)
        if header not in (None, own):
            raise DataError("this header is not that of the other files; keep models apart", file=file, line=1)
        header = own
        for number, row in lines:
            if rows.setdefault(row.id, row) is not row:
                raise DataError(f"the id {row.id!r} was already predicted; keep one of them", file=file, line=number)
            if not row.invalid and scored is None:
                scored = row.score is not None
            if not row.invalid and scored != (row.score is not None):
                raise DataError("some rows have a score and some have none; give all or none", file=file, line=number)
    if header is None or not rows:
        raise DataError("there are no predictions here", file=path)
    return Predictions(header, rows, _fingerprint(header, rows))


class PredictionWriter:
    """Writes predictions as they come; use it as a context manager.

    An existing file of the same model is continued: a line that an interruption cut is dropped, and what is there
    need not be asked again (``if id not in writer``). Every line is with the operating system when `write` returns.

    Args:
        path: A file whose name ends in ``.jsonl``; it and its folder are made if they are missing.
        header: Who predicts.

    Raises:
        DataError: The file holds predictions of another model or with other settings, or is no such file.
    """

    def __init__(self, path: Path, header: Header) -> None:
        if path.suffix != ".jsonl":
            raise DataError("a file of predictions has a name that ends in .jsonl", file=path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._rows = _continued(path, header) if path.exists() else {}
        self._file = path.open("a", encoding="utf-8", buffering=1)
        if not self._file.tell():
            self._file.write(header.model_dump_json() + "\n")

    def __contains__(self, id: object) -> bool:
        """Say whether the row of this id has its prediction."""
        return id in self._rows

    def __getitem__(self, id: str) -> Prediction:
        """Return the prediction of a row; KeyError if it has none."""
        return self._rows[id]

    def __len__(self) -> int:
        """Return the number of predictions."""
        return len(self._rows)

    def write(self, row: Prediction) -> None:
        """Append a prediction; DataError if its row has one."""
        if row.id in self._rows:
            raise DataError(f"the id {row.id!r} was already predicted", file=Path(self._file.name))
        self._file.write(row.model_dump_json(exclude_defaults=True) + "\n")
        self._rows[row.id] = row

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise DataError("there is no such file or folder; give predictions as JSON Lines", file=path)
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.name.endswith(SUFFIXES))
    if not path.name.endswith(SUFFIXES):
        raise DataError(f"predictions are JSON Lines ({' or '.join(SUFFIXES)}); see the docs of the format", file=path)
    return [path]


def _opened(file: Path) -> tuple[Header, Iterator[tuple[int, Prediction]]]:
    """Return the header, and the rows with their lines, which are read as they are asked for."""
    lines = numbered_lines(file)
    number, first = next(lines, (1, ""))
    header = _parsed(Header, first, file, number)
    return header, ((number, _parsed(Prediction, line, file, number)) for number, line in lines)


Line = TypeVar("Line", Header, Prediction)


def _parsed(kind: type[Line], line: str, file: Path, number: int) -> Line:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        what = "the header of predictions" if kind is Header else "a prediction"
        reason = f"{field}: {first['msg']}" if field else first["msg"]
        raise DataError(f"this is not {what} ({reason}); correct the line", file=file, line=number) from error


def _continued(path: Path, header: Header) -> dict[str, Prediction]:
    """Return the predictions of a file of this header, and cut off what follows its last line end.

    Any other file is refused and stays as it is.
    """
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if not end and header.model_dump_json().encode("utf-8").startswith(content):
        os.truncate(path, 0)
        return {}
    first = content[:end].partition(b"\n")[0].decode("utf-8", "replace")
    if _parsed(Header, first, path, 1) != header:
        raise DataError("it holds predictions of another model or settings; use another file", file=path)
    os.truncate(path, end)
    return {row.id: row for _, row in _opened(path)[1]}


def _fingerprint(header: Header, rows: Mapping[str, Prediction]) -> str:
    digest = hashlib.sha256(header.model_dump_json().encode("utf-8"))
    for key in sorted(rows):
        digest.update(rows[key].model_dump_json().encode("utf-8"))
    return digest.hexdigest()[:16]
