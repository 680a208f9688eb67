"""The parts of a guard that benchmarks look into: windows, and their logits, before they become a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.hub import locate
from unigurd_sdk.limits import Limits
from unigurd_sdk.registry import builtin_policies
from unigurd_sdk.runtime.base import Segment
from unigurd_sdk.runtime.onnx import OnnxRuntime
from unigurd_sdk.scan import Close, Scan, Scanner
from unigurd_sdk.segments import Segmenter
from unigurd_sdk.template import Role
from unigurd_sdk.tokenizer import GuardTokenizer
from unigurd_sdk.views import BUILTIN_VIEWS

Logits = NDArray[np.float64]

CLOSE = 52
"""Tokens of the close windows that are tried with a checkpoint that reads none."""


class Inside:
    """A checkpoint on one thread, policies by name, and what `Guard` would do with them step by step."""

    def __init__(self, name: str | Path, policies: Sequence[str]) -> None:
        self.checkpoint = Checkpoint.open(locate(name))
        self.manifest = self.checkpoint.manifest
        self.policies = tuple(policies)
        tokenizer = GuardTokenizer.from_file(self.checkpoint.file("tokenizer.json"))
        self.long = Segmenter(tokenizer, self.manifest.max_length, self.manifest.overlap)
        size = self.manifest.close_length or CLOSE
        self.close = Segmenter(tokenizer, size, size // 2)
        close = Close(self.close, self.manifest.close_above) if self.manifest.reads_close else None
        self.scanner = Scanner(self.long, BUILTIN_VIEWS, Limits(), close)
        self._runtime = OnnxRuntime(self.checkpoint, threads=1)
        self._states = [self._runtime.encode_policy(builtin_policies()[policy]) for policy in policies]

    @property
    def thresholds(self) -> Logits:
        """The logit from which a text is unsafe, for each policy."""
        values = [self.manifest.thresholds.get(policy, self.manifest.threshold) for policy in self.policies]
        scores = np.array(values)
        return np.asarray(np.log(scores) - np.log1p(-scores))

    def scan(self, text: str, role: Role) -> Scan:
        """Return the windows of a text, of all its readings."""
        return self.scanner.scan(text, role)

    def score(self, segments: Sequence[Segment]) -> Logits:
        """Score windows: logits [W, K], divided by the temperature."""
        return self._runtime.score(segments, self._states).astype(np.float64) / self.manifest.temperature
