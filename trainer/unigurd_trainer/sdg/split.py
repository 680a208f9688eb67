"""The split of a data set into train and dev, by group, so that twins and forms of one text never part."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

from unigurd_trainer.sdg.samples import Sample

__all__ = ["split_samples"]


def split_samples(samples: Sequence[Sample], dev_share: float, seed: int = 0) -> tuple[list[Sample], list[Sample]]:
    """Part samples into train and dev, each in the order that they came in.

    Groups go to dev in the order of their hashes while dev has too few of a label, up to `dev_share` of each.
    """
    groups: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.group or sample.id].append(sample)
    totals = Counter(sample.label for sample in samples)
    room = {label: round(dev_share * total) for label, total in totals.items()}
    dev: set[str] = set()
    for name in sorted(groups, key=lambda name: _order(name, seed)):
        counts = Counter(sample.label for sample in groups[name])
        if all(room[label] >= count for label, count in counts.items()):
            room = {label: left - counts[label] for label, left in room.items()}
            dev.update(sample.id for sample in groups[name])
    return [each for each in samples if each.id not in dev], [each for each in samples if each.id in dev]


def _order(name: str, seed: int) -> str:
    return hashlib.sha256(f"split:{seed}:{name}".encode("utf-8", "surrogatepass")).hexdigest()
