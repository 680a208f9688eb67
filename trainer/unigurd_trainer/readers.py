"""Readers: the data folder (see its README) as typed rows.

Every function takes the data folder, reads the files of one kind in the order of their names, and raises
`DataError` with the file and line of the first row that is not what it should be.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from unigurd_sdk.errors import InvalidPolicy
from unigurd_sdk.policy import Policy
from unigurd_sdk.template import ROLES, Role
from unigurd_trainer.errors import DataError, LeakageError
from unigurd_trainer.licences import UNSTATED, licence_of
from unigurd_trainer.rows import Behaviour, CellKey, ConditionedRow, DevRow, Document, IntentRow, PoolRow
from unigurd_trainer.skeletons import Skeleton

__all__ = [
    "Record",
    "dev_row",
    "numbered_lines",
    "parse_line",
    "read_behaviours",
    "read_conditioned",
    "read_dev",
    "read_documents",
    "read_intents",
    "read_policies",
    "read_pool",
    "read_skeletons",
]

DOCUMENT_POLICIES = frozenset({"indirect-injection"})
"""Policies about tool output and documents; their rows have the role ``document`` if they state none."""

LABELS: Mapping[str, int] = {"safe": 0, "unsafe": 1}


@dataclass(frozen=True, slots=True)
class Record:
    """One JSON object and where it stands."""

    file: Path
    line: int
    values: Mapping[str, Any]

    def text(self, field: str, default: str | None = None) -> str:
        """Return a string field; without a default it must be there and must not be blank."""
        value = self.values.get(field, default)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise self.error(f"the field {field!r} must be a string that is not empty; correct or remove the row")
        return value

    def optional(self, field: str) -> str | None:
        """Return a string field, or None where it is missing or null."""
        return None if self.values.get(field) is None else self.text(field, "")

    def texts(self, field: str) -> tuple[str, ...]:
        """Return a field that is a list of strings."""
        value = self.values.get(field)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(f"the field {field!r} must be a list of strings; correct or remove the row")
        return tuple(value)

    def role(self, default: Role) -> Role:
        """Return who wrote the text; DataError unless it is one of the three roles."""
        value = self.text("role", default)
        for role in ROLES:
            if value == role:
                return role
        raise self.error(f"the role {value!r} is none of {', '.join(ROLES)}")

    def label(self) -> int:
        """Return 1 for unsafe, 0 for safe."""
        value = self.values.get("label")
        if not isinstance(value, str) or value not in LABELS:
            raise self.error(f"the label {value!r} is neither 'safe' nor 'unsafe'; correct or remove the row")
        return LABELS[value]

    def error(self, reason: str) -> DataError:
        """Return an error that names this row."""
        return DataError(reason, file=self.file, line=self.line)


def read_pool(data: Path, split: str) -> tuple[PoolRow, ...]:
    """Return the public rows of ``split`` (``train`` or ``dev``), unlabelled chat included.

    Raises:
        LeakageError: for any other split.
    """
    if split not in ("train", "dev"):
        raise LeakageError(f"The pool has the splits 'train' and 'dev', and {split!r} is not for training; choose one.")
    return tuple(_pool_row(record) for record in _records(data, "pool") if record.values.get("split") == split)


def read_intents(data: Path) -> tuple[IntentRow, ...]:
    """Return all intent-labelled prompts, official test splits included (see `IntentRow.split`)."""
    return tuple(_intent_row(record) for record in _records(data, "intents"))


def read_behaviours(data: Path) -> tuple[Behaviour, ...]:
    """Return the intents in words."""
    return tuple(_behaviour(record) for record in _lines(_existing(data / "gip" / "behaviours.jsonl")))


def read_skeletons(data: Path) -> tuple[Skeleton, ...]:
    """Return the wordings of policies."""
    file = _existing(data / "gip" / "skeletons.json")
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["skeletons"]
        return tuple(Skeleton.from_json(row) for row in rows)
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"the skeletons cannot be read ({error}); restore the file", file=file) from error


def read_policies(data: Path) -> dict[str, Policy]:
    """Return the written policies by name."""
    policies: dict[str, Policy] = {}
    for record in _records(data, "policies"):
        try:
            policy = Policy(**record.values)
        except (ValidationError, InvalidPolicy) as error:
            raise record.error(f"this is not a policy ({error})") from error
        if policies.setdefault(policy.name, policy) != policy:
            raise record.error(f"the policy {policy.name!r} is already defined otherwise; rename one of them")
    return policies


def read_documents(data: Path) -> tuple[Document, ...]:
    """Return the harmless documents; a data folder need not have any."""
    return tuple(map(_document, _records(data, "documents"))) if (data / "documents").exists() else ()


def read_conditioned(data: Path) -> tuple[ConditionedRow, ...]:
    """Return the policy-conditioned rows, each (policy, text, role, prompt) once; the first one stays."""
    seen: set[tuple[str, str, str, str | None]] = set()
    rows = []
    for record in _records(data, "sdg"):
        row = _conditioned_row(record)
        key = (row.policy, row.text, row.role, row.prompt)
        if key not in seen:
            seen.add(key)
            rows.append(row)
    return tuple(rows)


def read_dev(data: Path) -> tuple[DevRow, ...]:
    """Return the development benchmarks, for measuring only."""
    return tuple(dev_row(record) for record in _records(data, "dev"))


def _pool_row(record: Record) -> PoolRow:
    policy, source = record.text("policy", ""), record.text("source")
    unlabelled = record.values.get("label") == "" and not policy
    return PoolRow(
        text=record.text("text"),
        label=None if unlabelled else record.label(),
        policy=policy,
        category=record.text("category", ""),
        split=record.text("split"),
        source=source,
        licence=licence_of(source, record.values),
        lang=record.text("lang", "en"),
    )


def _intent_row(record: Record) -> IntentRow:
    source = record.text("source")
    return IntentRow(
        text=record.text("text"),
        key=_cell(source, record.text("domain"), record.text("intent")),
        split=record.text("split"),
        source=source,
        licence=licence_of(source, record.values),
        lang=record.text("lang", "en"),
    )


def _document(record: Record) -> Document:
    source = record.text("source")
    return Document(record.text("text"), source, licence_of(source, record.values))


def _behaviour(record: Record) -> Behaviour:
    phrasings = record.texts("behaviours")
    if len(phrasings) not in (2, 4):
        raise record.error(f"a behaviour has two or four phrasings, not {len(phrasings)}")
    return Behaviour(
        key=_cell(record.text("source"), record.text("domain"), record.text("intent")),
        phrasings=phrasings,
        groups=frozenset(record.texts("groups")),
        topic=record.text("topic"),
        usable=bool(record.values.get("usable", True)),
        negative_ok=bool(record.values.get("negative_ok", True)),
    )


def _conditioned_row(record: Record) -> ConditionedRow:
    stem = record.file.name.split(".")[0]
    usual_role: Role = "document" if record.values.get("policy") in DOCUMENT_POLICIES else "user"
    return ConditionedRow(
        policy=record.text("policy"),
        text=record.text("text"),
        label=record.label(),
        kind=record.text("kind", ""),
        group=f"{stem}:{record.text('group')}",
        split=record.text("split"),
        policy_split=record.text("policy_split", "seen"),
        source=f"sdg/{stem}",
        licence=licence_of(f"sdg/{stem}", record.values),
        role=record.role(usual_role),
        prompt=record.optional("prompt"),
        lang=record.text("lang", "en"),
        rationale=record.optional("rationale") or None,
    )


def dev_row(record: Record, source: str | None = None) -> DevRow:
    """Read a row of the form of ``dev``; `source` is where it is from if it does not say so."""
    return DevRow(
        text=record.text("text"),
        label=record.label(),
        policy=record.text("policy"),
        category=record.text("category", ""),
        source=record.text("source", source),
        licence=record.text("license", UNSTATED),
        lang=record.text("lang", "en"),
        prompt=record.optional("prompt"),
        response=record.optional("response"),
    )


def _cell(source: str, domain: str, intent: str) -> CellKey:
    return CellKey(source, domain.partition("/")[0] if source == "issuebench" else domain, intent)


def _records(data: Path, folder: str) -> Iterator[Record]:
    files = sorted(file for file in _existing(data / folder).iterdir() if file.name.endswith((".jsonl", ".jsonl.gz")))
    if not files:
        raise DataError(
            "no .jsonl or .jsonl.gz file here; point the data setting at the data folder", file=data / folder
        )
    for file in files:
        yield from _lines(file)


def numbered_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, line) of a UTF-8 text file, gzipped or not; blank lines and a byte order mark are left out.

    Raises:
        DataError: The file cannot be opened, it is damaged, or a line is not UTF-8 (with its number).
    """
    number = 0
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                if text.strip():
                    yield number, text
    except UnicodeDecodeError as error:
        wrong = f"byte {error.object[error.start]:#04x} in column {error.start + 1}"
        raise DataError(f"this line is not UTF-8 ({wrong}); convert the file", file=file, line=number) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"the file is damaged ({error}); copy it again", file=file, line=number + 1) from error
    except OSError as error:
        raise DataError(f"the file cannot be read ({error.strerror}); check its name", file=file) from error


def _lines(file: Path) -> Iterator[Record]:
    return (parse_line(file, number, line) for number, line in numbered_lines(file))


def parse_line(file: Path, number: int, line: str) -> Record:
    """Read a line as a JSON object; DataError names the file and the line."""
    try:
        values = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"this is not JSON ({error.msg}); correct or remove it", file=file, line=number) from error
    if not isinstance(values, dict):
        raise DataError("this is not a JSON object; correct or remove it", file=file, line=number)
    return Record(file, number, values)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise DataError("there is no such file or folder; point the data setting at the data folder", file=path)
    return path
