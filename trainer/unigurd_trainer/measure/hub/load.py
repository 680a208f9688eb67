"""Loads data sets of the Hub as evaluation sets."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from unigurd_sdk.policy import Policy
from unigurd_sdk.registry import PolicyRegistry
from unigurd_trainer.errors import DataError
from unigurd_trainer.measure.hub.catalogue import find
from unigurd_trainer.measure.hub.fetch import fetch
from unigurd_trainer.measure.hub.spec import HubSpec
from unigurd_trainer.measure.hub.tables import table
from unigurd_trainer.measure.sets import EvaluationSet, Provenance
from unigurd_trainer.readers import Record
from unigurd_trainer.rows import Episode, Example

__all__ = ["hub_set", "hub_sets"]

log = logging.getLogger(__name__)


def hub_sets(names: Sequence[str], policies: Mapping[str, Policy] | None = None) -> list[EvaluationSet]:
    """Load data sets.

    Args:
        names: As for `find`, each with ``@revision`` at the end where it is to be pinned.
        policies: Policies by name; None is the built-in ones.

    Raises:
        ConfigError: A name is not known.
        DataError: A data set cannot be had, or its files are not as expected.
        MissingExtra: It is in Parquet, and pyarrow is not installed.
    """
    known = PolicyRegistry() if policies is None else policies
    wanted = [
        (spec, revision or None) for name, _, revision in (n.partition("@") for n in names) for spec in find(name)
    ]
    return [hub_set(spec, revision, known) for spec, revision in wanted]


def hub_set(spec: HubSpec, revision: str | None, policies: Mapping[str, Policy]) -> EvaluationSet:
    """Load one data set at a revision; None is the newest."""
    commit, files = fetch(spec.repo, revision, spec.files)
    policy, dropped = policies[spec.policy], Counter[str]()
    rows = tuple(_examples(spec, files, dropped))
    if not rows:
        raise DataError(_nothing(spec, files, dropped))
    if dropped:
        log.warning("%s: left out %s", spec.name, ", ".join(f"{n} rows {why}" for why, n in dropped.items()))
    provenance = Provenance(
        source=spec.repo,
        revision=commit,
        split=f"{spec.config}, {spec.split}" if spec.config else spec.split,
        mapping=spec.label.words,
        relatives=spec.relatives,
        in_score=True,
    )
    return EvaluationSet(spec.name, (Episode(policy, rows, "hub"),), provenance)


def _examples(spec: HubSpec, files: Iterable[Path], dropped: Counter[str]) -> Iterator[Example]:
    for record in (record for file in files for record in table(file)):
        text = record.values.get(spec.text)
        if not isinstance(text, str) or not text.strip():
            dropped["without text"] += 1
        elif text in spec.dropped:
            dropped["whose text is not published"] += 1
        elif (label := _label(spec, record)) is None:
            dropped["without a label"] += 1
        else:
            yield _example(spec, record, text, label)


def _label(spec: HubSpec, record: Record) -> int | None:
    try:
        return spec.label(record.values)
    except ValueError as error:
        raise record.error(f"{error}; this revision is not what the loader knows") from error


def _example(spec: HubSpec, record: Record, text: str, label: int) -> Example:
    row = record.values
    role = spec.roles.get(str(row.get(spec.role_column)), spec.role)
    prompt = row.get(spec.prompt) if spec.prompt else None
    category = _category(row.get(spec.category))
    return Example(text, label, spec.name, "that of the data set", role, prompt, category=category)


def _category(value: Any) -> str:  # noqa: ANN401 - text, a list, or an object of booleans
    if isinstance(value, dict):
        value = [name for name, applies in value.items() if applies]
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _nothing(spec: HubSpec, files: Sequence[Path], dropped: Counter[str]) -> str:
    first = next((record for file in files for record in table(file)), None)
    columns = "no row" if first is None else f"the columns {json.dumps(list(first.values))}"
    wanted = f"text in {spec.text!r}"
    return f"{spec.name} gives no usable row: the loader expects {wanted}, the files have {columns} ({dict(dropped)})"
