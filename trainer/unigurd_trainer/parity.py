"""Parity: how much two ways to run a model differ, on texts that come with the package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unigurd_sdk.manifest import Manifest
from unigurd_sdk.policy import Policy
from unigurd_sdk.registry import builtin_policies
from unigurd_sdk.runtime.base import Runtime
from unigurd_sdk.segments import Segmenter
from unigurd_sdk.template import policy_lines
from unigurd_sdk.tokenizer import GuardTokenizer

__all__ = ["Parity", "compare", "probes"]


@dataclass(frozen=True, slots=True)
class Parity:
    """Scores of the same texts under the same policies, compared.

    Attributes:
        pairs: Texts times policies.
        equal: Share of equal verdicts at the threshold.
        worst, mean: Absolute difference of scores.
    """

    pairs: int
    equal: float
    worst: float
    mean: float

    def __str__(self) -> str:
        return (
            f"{self.equal:.2%} of {self.pairs} verdicts equal, "
            f"scores differ by {self.worst:.4f} at most and by {self.mean:.5f} on average"
        )


def compare(
    first: Runtime, second: Runtime, manifest: Manifest, segments: Sequence[Sequence[int]], policies: Sequence[Policy]
) -> Parity:
    """Score segments under policies with two runtimes, one segment at a time as a check of a short text does."""
    scores = []
    for runtime in (first, second):
        states = [runtime.encode_policy(policy) for policy in policies]
        logits = np.concatenate([runtime.score([segment], states) for segment in segments]).astype(np.float64)
        scores.append(1 / (1 + np.exp(-logits / manifest.temperature)))
    one, other = scores
    gap = np.abs(one - other)
    equal = (one >= manifest.threshold) == (other >= manifest.threshold)
    return Parity(gap.size, float(equal.mean()), float(gap.max()), float(gap.mean()))


def probes(tokenizer: GuardTokenizer, manifest: Manifest) -> tuple[list[list[int]], list[Policy]]:
    """Give segments and policies to compare on: every fourth built-in policy, every second line of all as a text."""
    known = list(builtin_policies().values())
    cut = Segmenter(tokenizer, manifest.max_length, manifest.overlap).cut
    texts = sorted({line.text for policy in known for line in policy_lines(policy)})[::2]
    return [list(ids) for text in texts for ids in cut(text, "user").ids], known[::4]
