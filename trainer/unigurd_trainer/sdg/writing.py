"""Writes the texts of a plan: asks in batches, reads what comes, and asks again for what is missing."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from unigurd_sdk.policy import Policy, PolicyExample
from unigurd_trainer.augment import augment
from unigurd_trainer.http.dialect import Answer
from unigurd_trainer.leakage import normalised
from unigurd_trainer.sdg import prompts
from unigurd_trainer.sdg.chat import JournaledChat, Question, in_order, seed_of
from unigurd_trainer.sdg.controls import label_of
from unigurd_trainer.sdg.options import LlmOptions
from unigurd_trainer.sdg.parsing import Texts, Written, is_refusal, read_texts
from unigurd_trainer.sdg.samples import LABELS, Control, Provenance, Sample

__all__ = ["Batch", "Writer", "batches"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Controls that agree in behaviour, difficulty and language, and are asked for in one request.

    Attributes:
        number: Position among the batches of the same behaviour, difficulty and language.
    """

    controls: tuple[Control, ...]
    number: int


def batches(controls: Sequence[Control], size: int) -> Iterator[Batch]:
    """Group controls into batches of up to `size`, in the order in which they begin."""
    cells: defaultdict[tuple[str, ...], list[Control]] = defaultdict(list)
    for control in controls:
        cells[control.listed, control.behaviour, control.difficulty, control.language].append(control)
    most = max(map(len, cells.values()), default=0)
    for number, start in enumerate(range(0, most, size)):
        for cell in cells.values():
            if cell[start : start + size]:
                yield Batch(tuple(cell[start : start + size]), number)


class Writer:
    """Writes samples; texts that it has written before are turned down.

    Args:
        chat: The model.
        options: How to ask.
        seed: Same seed, same requests.
    """

    def __init__(self, chat: JournaledChat, options: LlmOptions, seed: int) -> None:
        self._chat = chat
        self._options = options
        self._seed = seed
        self._seen: set[str] = set()

    async def write(self, policy: Policy, controls: Sequence[Control], round_: int = 0) -> AsyncGenerator[Sample, None]:
        """Yield a sample for each control, as far as the model writes them within the extra rounds."""
        self._seen |= {normalised(example.text) for example in policy.examples}
        missing = list(controls)
        for attempt in range(self._options.extra_rounds + 1):
            pending, missing = missing, []
            size = max(1, self._options.per_request >> attempt)  # smaller, so that one refusal takes fewer with it
            work = (self._ask(policy, batch, round_, attempt) for batch in batches(pending, size))
            async with aclosing(in_order(work, self._chat.ahead)) as answers:
                async for batch, answer in answers:
                    found = self._read(policy, batch, answer)
                    for place, control in enumerate(batch.controls):
                        sample = self._sample(policy, control, found.get(place), round_)
                        if sample is None:
                            missing.append(control)
                        else:
                            yield sample

    def note(self, sample: Sample) -> bool:
        """Remember a text; return whether it is new."""
        text = normalised(sample.text)
        if text in self._seen:
            self._chat.statistics.duplicates += 1
            return False
        self._seen.add(text)
        return True

    async def _ask(self, policy: Policy, batch: Batch, round_: int, attempt: int) -> tuple[Batch, Answer | None]:
        first = batch.controls[0]
        cell = (first.listed, first.behaviour, first.difficulty, first.language)
        seed = seed_of(self._seed, round_, attempt, *cell, batch.number)
        messages = prompts.write(policy, batch.controls, self._examples(policy, label_of(policy, first), seed))
        count, temperature = len(batch.controls), self._options.temperature
        return batch, await self._chat.ask(Question(prompts.WRITE, messages, seed, count, attempt, temperature))

    def _examples(self, policy: Policy, label: int, seed: int) -> list[PolicyExample]:
        fitting = [example for example in policy.examples if example.label == LABELS[label]]
        return random.Random(seed).sample(fitting, min(self._options.examples, len(fitting)))

    def _read(self, policy: Policy, batch: Batch, answer: Answer | None) -> dict[int, Written]:
        if answer is None:
            return {}
        statistics, count = self._chat.statistics, len(batch.controls)
        label = LABELS[label_of(policy, batch.controls[0])]
        statistics.asked[label] += count
        texts = Texts() if answer.refused else read_texts(answer.text, count, max_chars=self._options.max_chars)
        if not texts.found and (answer.refused or is_refusal(answer.text)):
            statistics.refused[label] += count
            return {}
        statistics.refused[label] += texts.refused
        statistics.rejected.update(texts.rejected)
        statistics.parse_failures += not (texts.found or texts.rejected or texts.refused)
        return dict(texts.found)

    def _sample(self, policy: Policy, control: Control, written: Written | None, round_: int) -> Sample | None:
        if written is None:
            return None
        text = written.text
        if control.augment == "light":
            text = augment(text, random.Random(f"{self._seed}:{text}"))
        provenance = Provenance(f"llm:{self._options.model}", prompts.WRITE.hash, round_)
        label = label_of(policy, control)
        sample = Sample(policy.name, text, label, written.rationale, provenance, control, policy_version=policy.version)
        return sample if self.note(sample) else None
