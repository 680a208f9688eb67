"""Three splits of the validation rows: one is searched on, one sets thresholds, one only reports.

Which split a row is in follows from the hash of its group (twins stay together), or of its text. The report split lies
within the half that `unigurd-train evaluate` reports, the others within the half that `calibrate` uses; so that what
reports later on never chose. Rows that train and rows of a test split are never taken.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from unigurd_sdk.policy import Policy
from unigurd_trainer.errors import DataError, RecipeError
from unigurd_trainer.leakage import normalised
from unigurd_trainer.measure.sets import half
from unigurd_trainer.rows import Example
from unigurd_trainer.search.recipe import MEAN, RowsRecipe

__all__ = ["OTHERS", "Judged", "Split", "Splits", "first_of", "make_splits", "split_of"]

Split = Literal["search", "threshold", "report"]
SPLITS: tuple[Split, ...] = get_args(Split)

OTHERS = "others"
"""Group of the rows of all policies that have too few of their own."""

_THRESHOLD_SHARE = 85
"""Of 256: a third of the half that is not reported sets thresholds."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A text that is judged under a policy; `group` names what its F1 counts for."""

    policy: Policy
    example: Example
    group: str = ""


@dataclass(frozen=True, slots=True)
class Splits:
    """Rows by split; no text, and no group of texts, stands in two of them."""

    rows: Mapping[Split, tuple[Judged, ...]]
    groups: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Sha256 (16 hex digits) over all that is judged, in order."""
        digest = hashlib.sha256()
        for split in SPLITS:
            for row in self.rows[split]:
                example = row.example
                judged = [split, row.group, row.policy.fingerprint, example.role, example.prompt, example.text]
                digest.update(json.dumps([*judged, example.label]).encode())
        return digest.hexdigest()[:16]

    def counts(self) -> dict[str, dict[str, int]]:
        """Rows by split and group."""
        return {
            split: {group: sum(row.group == group for row in self.rows[split]) for group in self.groups}
            for split in SPLITS
        }


def split_of(example: Example) -> Split:
    """Say which split a row is in."""
    if half(example.text, example.group) == "report":
        return "report"
    return "threshold" if _digest(_unit(example))[1] < _THRESHOLD_SHARE else "search"


def make_splits(rows: Iterable[tuple[Policy, Example]], recipe: RowsRecipe, objective: str = MEAN) -> Splits:
    """Split validation rows, and take as many as the recipe says: as evenly over the groups as there are rows.

    Raises:
        DataError: A split has no rows of one class.
        RecipeError: The objective is a policy that has too few rows.
    """
    parts: dict[Split, list[Judged]] = {split: [] for split in SPLITS}
    for policy, example in rows:
        parts[split_of(example)].append(Judged(policy, example))
    _separate(parts)
    own = _own_groups(parts["search"], recipe.least)
    if objective not in (MEAN, *own):
        raise RecipeError(
            f"The objective {objective!r} is no policy with {recipe.least} rows of each class; those are: "
            f"{', '.join(own) or 'none'}. Or take {MEAN!r}."
        )
    limits: dict[Split, int] = {"search": recipe.search, "threshold": recipe.threshold, "report": recipe.report}
    chosen = {split: _drawn(_grouped(parts[split], own, objective), limits[split]) for split in SPLITS}
    for split, kept in chosen.items():
        if {row.example.label for row in kept} != {0, 1}:
            raise DataError(f"the {split} split has {len(kept)} rows and not both classes; there are too few rows")
    present = {row.group for row in chosen["search"]}
    rest = {split: tuple(row for row in kept if row.group in present) for split, kept in chosen.items()}
    return Splits(rest, tuple(sorted(present)))


def first_of(rows: Sequence[Judged], count: int) -> tuple[tuple[Judged, ...], tuple[Judged, ...]]:
    """Take about `count` rows, as evenly over the groups as there are; returns them and the rest."""
    groups: defaultdict[str, list[Judged]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    first = _drawn(groups, count)
    taken = set(map(id, first))
    return tuple(first), tuple(row for row in rows if id(row) not in taken)


def _separate(parts: Mapping[Split, list[Judged]]) -> None:
    """Drop what also stands in a split that comes later: texts of several groups, and rows that occur twice."""
    known: set[str] = set()
    for split in reversed(SPLITS):
        here: dict[tuple[str, str, str | None, str], Judged] = {}
        for row in parts[split]:
            example = row.example
            if normalised(example.text) not in known:
                here.setdefault((row.policy.fingerprint, example.role, example.prompt, example.text), row)
        known |= {normalised(row.example.text) for row in here.values()}
        parts[split][:] = here.values()


def _own_groups(rows: Sequence[Judged], least: int) -> tuple[str, ...]:
    """Policies with enough rows of each class."""
    counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        counts[row.policy.name][row.example.label] += 1
    return tuple(sorted(name for name, count in counts.items() if min(count) >= least))


def _grouped(rows: Iterable[Judged], own: Sequence[str], objective: str) -> dict[str, list[Judged]]:
    """Rows by group, in an order that their hashes give; rows of one policy stay together among the others."""
    groups: defaultdict[str, list[Judged]] = defaultdict(list)
    for row in rows:
        name = row.policy.name if row.policy.name in own else OTHERS
        if objective in (MEAN, name):
            groups[name].append(Judged(row.policy, row.example, name))
    for group in groups.values():
        group.sort(key=lambda row: (_digest(row.policy.fingerprint), _digest(_unit(row.example)), row.example.text))
    return dict(sorted(groups.items()))


def _drawn(groups: Mapping[str, list[Judged]], limit: int) -> list[Judged]:
    """Take from the groups in turn until `limit` rows are taken; group by group."""
    shares, left = dict.fromkeys(groups, 0), limit
    while left and (open_groups := [name for name in groups if shares[name] < len(groups[name])]):
        for name in open_groups[:left]:
            more = min(max(left // len(open_groups), 1), len(groups[name]) - shares[name])
            shares[name] += more
        left = limit - sum(shares.values())
    return [row for name, rows in groups.items() for row in rows[: shares[name]]]


def _unit(example: Example) -> str:
    return example.group or normalised(example.text)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
