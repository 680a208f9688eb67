"""A model that is asked through its chat template and writes a verdict, here or at an endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from unigurd_trainer.baselines.judgement import Judgement
from unigurd_trainer.http.dialect import Message
from unigurd_trainer.measure.questions import Question

__all__ = ["ModelWriter", "Prompt", "Written", "conversation", "judgement_of"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked.

    Attributes:
        messages: The conversation that the chat template renders.
        template: Keyword arguments of the template.
        holds: Texts that must stand in the rendered prompt. A template that drops one of them would have the model
            judge something else.
        text: The rendered prompt itself, for a model without a template that fits; messages and template are not read.
        after: Text of the answer behind which the verdict stands; empty is its beginning.
        at_once: Whether the odds are those of the first token, whatever the model writes.
    """

    messages: Sequence[Message] = ()
    template: Mapping[str, Any] = field(default_factory=dict)
    holds: tuple[str, ...] = ()
    text: str = ""
    after: str = ""
    at_once: bool = False
    max_new_tokens: int = 24


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote.

    Attributes:
        text: The answer; empty where the prompt was too long.
        score: P(unsafe) of the two words at the token of the verdict; None if there is none.
        ms: How long it took, for a batch the time of the batch.
        problem: Why there is no answer.
    """

    text: str = ""
    score: float | None = None
    ms: float = 0.0
    problem: str = ""


class ModelWriter(Protocol):
    """Something that answers prompts."""

    async def write(self, prompt: Prompt) -> Written:
        """Return the likeliest answer, and the odds of the two words that the writer was opened with."""


def conversation(question: Question) -> list[Message]:
    """Return a question as a chat: a response after its prompt; a document is judged as what a user sent."""
    if question.role != "assistant":
        return [{"role": "user", "content": question.text}]
    asked = {"role": "user", "content": question.prompt or ""}
    return [asked, {"role": "assistant", "content": question.text}]


def judgement_of(written: Written, said: bool | None, categories: tuple[str, ...] = ()) -> Judgement:
    """Return the verdict of a model whose answer was read as `said`; None means that it could not be read."""
    if written.problem:
        return Judgement(invalid=written.problem, latency_ms=written.ms or None)
    if said is None or written.score is None:
        return Judgement(invalid="no verdict in the answer", label=written.text, latency_ms=written.ms)
    found = categories if said else ()
    return Judgement(said, written.score, found, " ".join(written.text.split()), latency_ms=written.ms)
