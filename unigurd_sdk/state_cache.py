"""A bounded cache of encoded policies: each policy is encoded once per checkpoint, whoever asks first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from unigurd_sdk.errors import ConfigError

T = TypeVar("T")

Key = tuple[str, str]
"""The checkpoint's id and the policy's fingerprint."""


class StateCache(Generic[T]):
    """Least-recently-used cache, safe for threads.

    Threads that ask for the same missing key wait for the first of them instead of encoding the policy
    again. An error is raised to the one whose `make` failed and is not kept; the next one tries again.
    """

    def __init__(self, size: int = 128) -> None:
        """Keep at most `size` states; less than 1 raises `ConfigError`."""
        if size < 1:
            raise ConfigError(f"cache_size must be at least 1, not {size}.")
        self._size = size
        self._states: OrderedDict[Key, T] = OrderedDict()
        self._flights: dict[Key, threading.Lock] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._states)

    def get(self, key: Key, make: Callable[[], T]) -> T:
        """Return the state of `key`, calling `make` if it is not here."""
        with self._lock:
            if key in self._states:
                self._states.move_to_end(key)
                return self._states[key]
            flight = self._flights.setdefault(key, threading.Lock())
        with flight:
            return self._land(key, make)

    def clear(self) -> None:
        """Forget every state."""
        with self._lock:
            self._states.clear()

    def _land(self, key: Key, make: Callable[[], T]) -> T:
        """Make and keep the state, unless the thread that was waited for has done so."""
        with self._lock:
            if key in self._states:
                self._states.move_to_end(key)
                return self._states[key]
        try:
            state = make()
            with self._lock:
                self._states[key] = state
                while len(self._states) > self._size:
                    self._states.popitem(last=False)
            return state
        finally:
            with self._lock:
                self._flights.pop(key, None)
