"""Memory that runs out, by an error that says what helps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from unigurd_trainer.errors import TrainerError

__all__ = ["memory_named"]

NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")
"""What torch says where memory runs out: CUDA, and the CPU's allocator on Windows and elsewhere."""


@contextmanager
def memory_named(advice: Callable[[], str]) -> Iterator[None]:
    """Turn the many ways in which memory runs out into a `TrainerError`; `advice` is asked for its message then."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(phrase in str(error) for phrase in NO_MEMORY):
            raise
        raise TrainerError(advice()) from error
