"""Prompt Guard 1 and 2, classifiers of attacks on an assistant.

https://huggingface.co/meta-llama/Llama-Prompt-Guard-2-86M (labels benign and malicious) and
https://huggingface.co/meta-llama/Prompt-Guard-86M (benign, injection and jailbreak). They read 512 tokens; a longer
text goes in overlapping windows, and the highest score counts. The score of version 1 is 1 - P(benign), or with
``labels=jailbreak`` P(jailbreak), which its card advises for what users write. The paper does not say which it used.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from unigurd_trainer.baselines.baseline import Baseline
from unigurd_trainer.baselines.batching import Batcher
from unigurd_trainer.baselines.judgement import Judgement
from unigurd_trainer.baselines.loading import load_classifier, load_tokenizer, smaller_batches
from unigurd_trainer.baselines.options import LocalOptions
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.measure.questions import Question
from unigurd_trainer.memory import memory_named

__all__ = ["BASELINE", "PromptGuard", "PromptGuardOptions"]


class PromptGuardOptions(LocalOptions):
    """Options of Prompt Guard."""

    model: str = Field(default="meta-llama/Llama-Prompt-Guard-2-86M", min_length=1, description="folder or repository")
    labels: Literal["any", "jailbreak"] = Field(
        default="any", description="which attacks of the first generation count"
    )
    window: int = Field(default=512, ge=16, description="tokens that are read at once")
    overlap: int = Field(default=64, ge=0, description="tokens that two windows share")
    threshold: float = Field(default=0.5, ge=0, le=1, description="score from which a text is unsafe")

    def rule(self) -> str:
        """Return how it comes to its verdict, in words."""
        what = "P(jailbreak)" if self.labels == "jailbreak" else "1 - P(benign)"
        return f"{what} of {self.threshold:g} or more in any window"


@dataclass(frozen=True, slots=True)
class _Scored:
    probabilities: list[list[float]]
    ms: float


class PromptGuard:
    """Classifies texts.

    Args:
        options: The options.
        tokenizer: Its tokenizer.
        model: The classifier, on its device.
    """

    def __init__(self, options: PromptGuardOptions, tokenizer: Any, model: Any) -> None:  # noqa: ANN401
        self._options, self._tokenizer, self._model = options, tokenizer, model
        self._labels = [str(model.config.id2label[index]).casefold() for index in range(model.config.num_labels)]
        longest = getattr(model.config, "max_position_embeddings", options.window)
        self._window = min(options.window, longest if longest > 0 else options.window)
        if not options.overlap < self._window - 8:
            raise RecipeError(f"The overlap of {options.overlap} leaves nothing of a window of {self._window} tokens.")
        if options.labels == "jailbreak" and "jailbreak" not in self._labels:
            raise RecipeError(
                f"This model has no label 'jailbreak', but {', '.join(self._labels)}; leave `labels` out."
            )
        self._batch: Batcher[list[list[int]], _Scored] = Batcher(
            self._run, lambda each: sum(map(len, each)), options.batch_tokens
        )

    async def judge(self, question: Question) -> Judgement:
        """Judge the text, without its prompt."""
        scored = await self._batch(self.windows(question.text))
        scores = [self._score(row) for row in scored.probabilities]
        if any(map(math.isnan, scores)):
            return Judgement(score=math.nan, latency_ms=scored.ms)
        worst = scored.probabilities[scores.index(max(scores))]
        label = self._labels[worst.index(max(worst))]
        return Judgement(max(scores) >= self._options.threshold, max(scores), label=label, latency_ms=scored.ms)

    def windows(self, text: str) -> list[list[int]]:
        """Cut a text into windows of tokens, with the special tokens; every token is in one."""
        encoded = self._tokenizer(
            text, truncation=True, max_length=self._window, stride=self._options.overlap, return_overflowing_tokens=True
        )
        ids = encoded["input_ids"]
        return [[*each] for each in ids] if ids and isinstance(ids[0], list) else [[*ids]]

    def _score(self, probabilities: Sequence[float]) -> float:
        """Return the danger in a window: that of the jailbreak label, or of all but the first (benign) one."""
        if self._options.labels == "jailbreak":
            return probabilities[self._labels.index("jailbreak")]
        return 1.0 - probabilities[0]

    def _run(self, batch: Sequence[list[list[int]]]) -> list[_Scored]:
        started = time.perf_counter()
        windows = [window for each in batch for window in each]
        most = max(1, self._options.batch_tokens // max(map(len, windows)))
        rows = [
            row for start in range(0, len(windows), most) for row in self._classified(windows[start : start + most])
        ]
        ms, at = 1e3 * (time.perf_counter() - started), iter(rows)
        return [_Scored([next(at) for _ in each], ms) for each in batch]

    def _classified(self, windows: Sequence[list[int]]) -> list[list[float]]:
        import torch

        padded = self._tokenizer.pad({"input_ids": [*windows]}, return_tensors="pt").to(self._model.device)
        with memory_named(lambda: smaller_batches(len(windows))), torch.inference_mode():
            logits = self._model(input_ids=padded["input_ids"], attention_mask=padded["attention_mask"]).logits
        rows: list[list[float]] = logits.float().softmax(-1).tolist()
        return rows


@asynccontextmanager
async def _open(options: PromptGuardOptions) -> AsyncIterator[PromptGuard]:
    yield PromptGuard(options, load_tokenizer(options), load_classifier(options))


BASELINE = Baseline(
    name="prompt-guard",
    title="Prompt Guard",
    options=PromptGuardOptions,
    open=_open,
    reads="attacks on an assistant",
    score="1 - P(benign), the highest of the windows",
    source="https://huggingface.co/meta-llama/Llama-Prompt-Guard-2-86M",
    extra="baselines",
)
