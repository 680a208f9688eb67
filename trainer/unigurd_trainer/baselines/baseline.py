"""What a baseline is: an adapter that judges, and how it is named, opened and described."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from unigurd_trainer.baselines.counting import Taxonomy
from unigurd_trainer.baselines.judgement import Judgement
from unigurd_trainer.baselines.options import BaselineOptions, CountOptions
from unigurd_trainer.measure.predictions import Header
from unigurd_trainer.measure.questions import Question

__all__ = ["Adapter", "Baseline"]

O = TypeVar("O", bound=BaselineOptions)  # noqa: E741


class Adapter(Protocol):
    """Something that judges rows."""

    async def judge(self, question: Question) -> Judgement:
        """Judge a text under a policy.

        Raises:
            RequestRejected: The service does not take this row.
            NoAnswer: Nothing came back.
            EndpointError: The service cannot be used.
        """


@dataclass(frozen=True, slots=True)
class Baseline(Generic[O]):
    """A rival that can be asked.

    Attributes:
        name: How the command line calls it.
        title: How people call it.
        options: Type of its options.
        open: Makes the adapter; entering it loads the model or opens the connection.
        reads: What it judges by: ``its own categories``, ``the policy``, or either.
        score: What its scores are; empty if it has none.
        source: Address of the documentation that the adapter follows.
        taxonomy: Its categories, where it has some.
        keys: Environment variables with its key.
        extra: Extra of this package that it needs.
        trained_on: Data sets of the Hub whose train split it was trained on, as its makers say.
    """

    name: str
    title: str
    options: type[O]
    open: Callable[[O], AbstractAsyncContextManager[Adapter]]
    reads: str
    score: str
    source: str
    taxonomy: Taxonomy | None = None
    keys: tuple[str, ...] = ()
    extra: str = ""
    trained_on: tuple[str, ...] = ()

    def unmapped(self, options: O, policies: Iterable[str]) -> list[str]:
        """Return the policies under which any finding counts, as none of its categories stands for them."""
        if self.taxonomy is None or not isinstance(options, CountOptions):
            return []
        taxonomy = options.taxonomy(self.taxonomy)
        if taxonomy is None:
            return []
        return [name for name in sorted(set(policies)) if taxonomy.counted(name, options.count) is None]

    def header(self, options: O) -> Header:
        """Return the first line of its predictions."""
        settings: dict[str, Any] = {"baseline": self.name, **options.settings()}
        model = options.model_name()
        name = f"{self.title} ({model})" if model else self.title
        return Header(
            model=name,
            version=options.version(),
            threshold_rule=options.rule(),
            trained_on=self.trained_on,
            settings=settings,
        )
