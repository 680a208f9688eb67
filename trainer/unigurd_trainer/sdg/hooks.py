"""The `Generator` hook of the trainer: what makes samples for a policy, and how third parties add their own.

A generator is registered under the entry-point group ``unigurd_trainer``, by a module or object with the hook::

    from unigurd_trainer.sdg.hooks import hookimpl

    @hookimpl
    def provide_generators():
        return [MyGenerator()]

The two built-in ones, ``llm`` and ``offline``, are registered the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from unigurd_sdk.policy import Policy
from unigurd_trainer.hooks import hookimpl
from unigurd_trainer.sdg.samples import Sample

__all__ = ["Generator", "Request", "hookimpl"]


@dataclass(frozen=True, slots=True)
class Request:
    """One order for samples.

    Attributes:
        policy: The policy to write for.
        count: How many samples are wanted, half of them unsafe.
        seed: Same seed, same plan.
        folder: Where a generator may keep its journal, so that a killed run goes on without paying twice.
        options: What only this generator understands (endpoint, model, ...), already parsed.
    """

    policy: Policy
    count: int
    seed: int = 0
    folder: Path = field(default_factory=Path)
    options: Any = None


@runtime_checkable
class Generator(Protocol):
    """Makes samples for a policy."""

    @property
    def name(self) -> str:
        """Name that users select it by; stands in the provenance of its samples."""
        ...

    def generate(self, request: Request) -> Iterator[Sample]:
        """Yield about `request.count` samples, as they are ready; raise `TrainerError` when it cannot go on."""
        ...
