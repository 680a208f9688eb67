"""A bounded memory of verdicts: a text that was checked before, under the same policies, is not scored again.

It keeps no text, only a hash with a key that lives as long as the cache, so that whoever reads the memory of the
process cannot look up which texts were checked.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from unigurd_sdk.errors import ConfigError
from unigurd_sdk.request import Request
from unigurd_sdk.verdict import Verdict

__all__ = ["ResultCache"]

Verdicts: TypeAlias = tuple[Verdict, ...]
Ask: TypeAlias = Callable[[Sequence[str], Sequence[str | None], Request], list[Verdicts]]

_KEY_BYTES = 32


class ResultCache:
    """Least-recently-used verdicts of one checkpoint, safe for threads. What failed is not remembered."""

    def __init__(self, size: int) -> None:
        """Remember the verdicts of at most `size` texts; less than 1 raises `ConfigError`."""
        if size < 1:
            raise ConfigError(f"A cache of results needs a size of at least 1, not {size}.")
        self._size = size
        self._key = secrets.token_bytes(_KEY_BYTES)
        self._known: OrderedDict[bytes, Verdicts] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def answer(self, texts: Sequence[str], prompts: Sequence[str | None], request: Request, ask: Ask) -> list[Verdicts]:
        """Give the verdicts of each text, asking once for each that is not known; latency is that of this call."""
        keys = [self._name(text, prompt, request) for text, prompt in zip(texts, prompts, strict=True)]
        found = self._find(keys)
        first = {key: at for at, key in reversed(list(enumerate(keys))) if key not in found}
        if first:
            asked = sorted(first.values())
            fresh = ask([texts[at] for at in asked], [prompts[at] for at in asked], request)
            found |= self._keep({keys[at]: verdicts for at, verdicts in zip(asked, fresh, strict=True)})
        latency = (time.perf_counter() - request.started) * 1000
        return [tuple(replace(verdict, latency_ms=latency) for verdict in found[key]) for key in keys]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._known.clear()

    def _find(self, keys: Sequence[bytes]) -> dict[bytes, Verdicts]:
        with self._lock:
            for key in keys:
                if key in self._known:
                    self._known.move_to_end(key)
            return {key: self._known[key] for key in keys if key in self._known}

    def _keep(self, fresh: dict[bytes, Verdicts]) -> dict[bytes, Verdicts]:
        with self._lock:
            for key, verdicts in fresh.items():
                if all(verdict.error is None for verdict in verdicts):
                    self._known[key] = verdicts
            while len(self._known) > self._size:
                self._known.popitem(last=False)
        return fresh

    def _name(self, text: str, prompt: str | None, request: Request) -> bytes:
        """Hash everything that a verdict depends on, apart from the checkpoint."""
        asked = repr((request.question, prompt is None, len(prompt or "")))
        content = "\0".join((asked, prompt or "", text))
        return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), key=self._key, digest_size=_KEY_BYTES).digest()
