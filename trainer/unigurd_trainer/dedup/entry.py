"""Entries: what de-duplication needs to know of a row, a sample or a policy."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from unigurd_sdk.policy import Policy
from unigurd_trainer.sdg.samples import Sample, to_record

__all__ = ["Entry", "of_policy", "of_sample", "tie_of"]


class Entry(NamedTuple):
    """One text to compare; a tuple, because one is made of every row.

    Attributes:
        id: Its name; of equally confident duplicates the smallest is kept.
        text: What is compared.
        label: 1 unsafe, 0 safe.
        confidence: Of duplicates the most confident is kept.
        scope: Only texts of one scope are compared.
        tie: Decides between equal ids; made from the content by `tie_of`.
    """

    id: str
    text: str
    label: int = 0
    confidence: float = 1.0
    scope: str = ""
    tie: int = 0


def of_sample(sample: Sample) -> Entry:
    """Compare a sample with those of its policy and role, by prompt and text."""
    text = sample.text if sample.prompt is None else f"{sample.prompt}\n{sample.text}"
    scope = f"{sample.policy}/{sample.role}"
    return Entry(sample.id, text, sample.label, sample.confidence, scope, tie_of(repr(to_record(sample))))


def of_policy(policy: Policy) -> Entry:
    """Compare a policy with all others, by its description."""
    return Entry(policy.name, policy.description, tie=tie_of(policy.fingerprint))


def tie_of(content: str) -> int:
    """Hash a string to 63 bits."""
    digest = hashlib.sha1(content.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big") >> 1
