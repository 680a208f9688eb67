"""Samples: what generators make, and how they are written to JSON Lines or Parquet.

A row has the fields of `Sample`, the label spelled ``safe`` or ``unsafe``::

    {"id": "…", "policy": "tax", "text": "How do I hide income?", "label": "unsafe", "rationale": "…", …}
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from unigurd_sdk.template import Role
from unigurd_trainer.errors import DataError
from unigurd_trainer.row_files import read_rows

__all__ = ["LABELS", "Control", "Provenance", "Sample", "read_samples", "sample_id", "to_record"]

LABELS = ("safe", "unsafe")


@dataclass(frozen=True, slots=True)
class Control:
    """What a generator was asked for; the plan of a run is a seeded, balanced sequence of these.

    Attributes:
        behaviour: The line of the policy that the text is about; empty if it is about none of them.
        listed: Where the behaviour stands: ``allowed``, ``disallowed`` or ``none`` (off topic).
        difficulty: ``plain``, ``borderline`` or ``adversarial``.
        persona: Who writes.
        length: ``short``, ``medium`` or ``long``.
        language: ISO 639-1 code.
        style: How it is written (question, command, chat, form, ...).
        augment: Change of form afterwards (typos, casing, frame, ...); empty for none.
    """

    behaviour: str = ""
    listed: str = "none"
    difficulty: str = "plain"
    persona: str = ""
    length: str = "short"
    language: str = "en"
    style: str = ""
    augment: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a sample came about.

    Attributes:
        generator: Name of the generator, with the model where there is one.
        template: Hash of the prompt template, or version of the packaged material.
        round: Round of self-reflection, from 0.
        flipped: Whether self-reflection turned the label.
        source: Data set that the text came from, where it was not generated.
        licence: Licence of the text.
    """

    generator: str
    template: str = ""
    round: int = 0
    flipped: bool = False
    source: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One text with its label (1 unsafe, 0 safe) under a policy, and why.

    Attributes:
        policy: Name of the policy; `policy_version` its version.
        group: Ties samples that must stay on one side of a split; empty if alone.
        confidence: The generator's own, in [0, 1].
    """

    policy: str
    text: str
    label: int
    rationale: str
    provenance: Provenance
    control: Control = field(default_factory=Control)
    policy_version: int = 1
    role: Role = "user"
    prompt: str | None = None
    group: str = ""
    confidence: float = 1.0

    @property
    def id(self) -> str:
        """Hash (16 hex digits) of policy, role, prompt and text: the same text under a policy has the same id."""
        return sample_id(self.policy, self.role, self.prompt or "", self.text)

    def relabelled(self, label: int, rationale: str, *, round_: int) -> Sample:
        """Return the sample with another label and rationale, marked as flipped."""
        provenance = replace(self.provenance, round=round_, flipped=not self.provenance.flipped)
        return replace(self, label=label, rationale=rationale, provenance=provenance)


def sample_id(*parts: str) -> str:
    """Hash strings, in order, to 16 hex digits."""
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def to_record(sample: Sample) -> dict[str, Any]:
    """Turn a sample into the object that a line of a shard holds."""
    record = asdict(sample)
    record["label"] = LABELS[sample.label]
    return {"id": sample.id} | record


def from_record(record: Mapping[str, Any]) -> Sample:
    """Undo `to_record`; raises KeyError, TypeError or ValueError if a field is missing, unknown or wrong."""
    values = {key: value for key, value in record.items() if key != "id"}
    values["label"] = LABELS.index(values["label"])
    values["provenance"] = Provenance(**values["provenance"])
    values["control"] = Control(**values.get("control", {}))
    unknown = sorted(set(values) - {each.name for each in fields(Sample)})
    if unknown:
        raise ValueError(f"unknown fields: {', '.join(unknown)}")
    return Sample(**values)


def read_samples(paths: Iterable[Path]) -> Iterator[Sample]:
    """Read the samples of shards; a bad row raises `DataError` that names file and line."""
    for path in paths:
        for row in read_rows(path):
            try:
                yield from_record(row.values)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise DataError(f"not a sample: {error!r}", file=path, line=row.number) from error
