"""Records: labelled rows of files, whether shards of samples or anybody's with a text and a label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unigurd_sdk.template import ROLES
from unigurd_trainer.dedup.entry import Entry, tie_of
from unigurd_trainer.errors import DataError
from unigurd_trainer.row_files import SUFFIXES, Row, read_rows
from unigurd_trainer.sdg.samples import LABELS, from_record, sample_id

__all__ = ["PARTS", "Located", "Record", "read_records", "shards"]

PARTS = ("train", "dev")

_LABELS: dict[Any, int] = {**{name: label for label, name in enumerate(LABELS)}, 0: 0, 1: 1}
_NAMES = {"lang": "language", "license": "licence"}


@dataclass(frozen=True, slots=True)
class Record:
    """One labelled text, with what its line says about it; what it does not say is empty.

    Attributes:
        text: What is judged.
        label: 1 unsafe, 0 safe.
        id: Its own, or a hash of policy, role, prompt and text.
        flipped: Whether self-reflection turned the label.
    """

    text: str
    label: int
    id: str = ""
    policy: str = ""
    role: str = "user"
    prompt: str | None = None
    language: str = ""
    source: str = ""
    licence: str = ""
    generator: str = ""
    behaviour: str = ""
    difficulty: str = ""
    group: str = ""
    confidence: float = 1.0
    flipped: bool = False

    @property
    def scope(self) -> str:
        """Texts of different policies or roles are never duplicates."""
        return f"{self.policy}/{self.role}"

    @property
    def whole(self) -> str:
        """The text after the prompt it answers."""
        return self.text if self.prompt is None else f"{self.prompt}\n{self.text}"


@dataclass(frozen=True, slots=True)
class Located:
    """A record, and the row of a file that it was read from."""

    record: Record
    file: Path
    row: Row

    @property
    def line(self) -> int:
        """The line of the file, or the place in a Parquet file, from 1."""
        return self.row.number

    def entry(self) -> Entry:
        """Return what de-duplication compares."""
        record, raw = self.record, self.row.raw
        tie = tie_of(raw.decode("utf-8", "replace") if isinstance(raw, bytes) else repr(self.row.values))
        return Entry(record.id, record.whole, record.label, record.confidence, record.scope, tie)


def shards(places: Iterable[Path]) -> tuple[Path, ...]:
    """List the JSON Lines (also gzipped) and Parquet files at paths, a folder's by name.

    Of a data set that `unigurd-train sdg` wrote, these are the files of its parts, `train` and `dev`, and no others.

    Raises:
        DataError: There is none.
    """
    found: list[Path] = []
    for place in (part for named in places for part in _parts(named)):
        inside = _inside(place) if place.is_dir() else [place]
        if not inside or not inside[0].is_file():
            wanted = f"holds no {' or '.join(f'*{each}' for each in SUFFIXES)}" if place.is_dir() else "is not there"
            raise DataError(f"this {wanted}; name the file or folder with the data", file=place)
        found += inside
    if not found:
        raise DataError("no file was named; name a file or folder with the data")
    return tuple(found)


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIXES) and not path.name.startswith("."))


def _parts(place: Path) -> list[Path]:
    """Return the folders of the parts that hold shards, or the place itself."""
    folders = [place / part for part in PARTS]
    return [folder for folder in folders if folder.is_dir() and _inside(folder)] or [place]


def read_records(files: Sequence[Path]) -> Iterator[Located]:
    """Read the records of files; a bad row raises `DataError` with its place."""
    for file in files:
        for row in read_rows(file):
            try:
                yield Located(_record(row.values), file, row)
            except KeyError as error:
                reason = f"the field {error} is missing; add it or remove the row"
                raise DataError(reason, file=file, line=row.number) from error
            except (ValueError, TypeError) as error:
                reason = f"not a labelled text: {error}; correct or remove the row"
                raise DataError(reason, file=file, line=row.number) from error


def _record(values: Any) -> Record:  # noqa: ANN401 - whatever JSON holds
    if not isinstance(values, Mapping):
        raise ValueError("a line must hold one JSON object")
    flat = _flat_sample(values) if "provenance" in values else _flat(values)
    text, prompt = _string(flat, "text"), flat.get("prompt")
    if not text.strip():
        raise ValueError("the text is empty")
    known = {name: _string(flat, name) for name in _STRINGS if flat.get(name) is not None}
    if known.setdefault("role", "user") not in ROLES:
        raise ValueError(f"the role {known['role']!r} is none of {', '.join(ROLES)}")
    prompt = None if prompt is None else _string(flat, "prompt")
    known.setdefault("id", sample_id(known.get("policy", ""), known["role"], prompt or "", text))
    flipped = flat.get("flipped") is True
    return Record(text, _label(flat["label"]), prompt=prompt, confidence=_share(flat), flipped=flipped, **known)


_STRINGS = ("id", "policy", "role", "language", "source", "licence", "generator", "behaviour", "difficulty", "group")


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    return {_NAMES.get(name, name): value for name, value in values.items()}


def _flat_sample(values: Mapping[str, Any]) -> dict[str, Any]:
    sample = from_record(values)
    made, control = sample.provenance, sample.control
    flat: dict[str, Any] = {
        "text": sample.text, "label": sample.label, "id": values.get("id"), "policy": sample.policy,
        "role": sample.role, "prompt": sample.prompt, "group": sample.group, "confidence": sample.confidence,
        "language": control.language, "behaviour": control.behaviour, "difficulty": control.difficulty,
        "source": made.source, "licence": made.licence, "generator": made.generator, "flipped": made.flipped,
    }  # fmt: skip
    return flat


def _string(values: Mapping[str, Any], name: str) -> str:
    value = values[name]
    if not isinstance(value, str):
        raise ValueError(f"the field {name!r} must be a string, not {type(value).__name__}")
    return value


def _label(value: Any) -> int:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, (str, int)) and not isinstance(value, bool) and value in _LABELS:
        return _LABELS[value]
    raise ValueError(f"the label must be safe, unsafe, 0 or 1, not {value!r}")


def _share(values: Mapping[str, Any]) -> float:
    value = values.get("confidence", 1.0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f"the confidence must be a number from 0 to 1, not {value!r}")
    return float(value)
