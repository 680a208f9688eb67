"""The engine of a guard: texts and policies in, verdicts out, and what happens when a check fails."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from unigurd_sdk.aggregate import aggregate, calibrate
from unigurd_sdk.errors import GuardClosed, InferenceError, UnigurdError
from unigurd_sdk.forks import leave, renew_after_fork
from unigurd_sdk.limits import Limits
from unigurd_sdk.result_cache import ResultCache
from unigurd_sdk.runtime import Device, RuntimeName, create, settle
from unigurd_sdk.runtime.arithmetic import Arithmetic, ChosenArithmetic
from unigurd_sdk.scan import Close, Scan, Scanner
from unigurd_sdk.segments import Segmenter
from unigurd_sdk.state_cache import StateCache
from unigurd_sdk.verdict import TokenCount, Verdict, Window

if TYPE_CHECKING:
    from unigurd_sdk.checkpoint import Checkpoint
    from unigurd_sdk.policy import Policy
    from unigurd_sdk.request import Request
    from unigurd_sdk.runtime.base import PolicyState, Runtime
    from unigurd_sdk.template import Role
    from unigurd_sdk.tokenizer import GuardTokenizer
    from unigurd_sdk.views import View

log = logging.getLogger(__name__)

OnError = Literal["raise", "block", "allow"]
"""What a failed check is: an error, an unsafe verdict, or (only if asked for) a safe one."""

T = TypeVar("T")

_WINDOWS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Options:
    """How to run a checkpoint; see `Guard.from_pretrained`."""

    runtime: RuntimeName
    device: Device
    threads: int | None
    on_error: OnError
    limits: Limits
    views: tuple[View, ...]
    cache_size: int
    cache_results: int
    arithmetic: Arithmetic = "auto"


class Engine:
    """Runs one checkpoint. Safe for threads; runtime and tokenizer are loaded at the first check, once."""

    def __init__(self, checkpoint: Checkpoint, options: Options) -> None:
        """Prepare to run `checkpoint`; nothing is loaded yet."""
        self.checkpoint = checkpoint
        self.options = options
        self._closed = False
        self._begin()
        renew_after_fork(self)

    def answer(
        self, texts: Sequence[str], prompts: Sequence[str | None], request: Request
    ) -> list[tuple[Verdict, ...]]:
        """Check texts: for each, one verdict per policy. Errors follow `Options.on_error`."""
        if self._closed:
            raise GuardClosed
        if self._results is None:
            return self._answer(texts, prompts, request)
        return self._results.answer(texts, prompts, request, self._answer)

    def _answer(
        self, texts: Sequence[str], prompts: Sequence[str | None], request: Request
    ) -> list[tuple[Verdict, ...]]:
        policy = request.policies[0].name if len(request.policies) == 1 else ""
        scans = [
            self._attempt(partial(self._scan, text, prompt, request.role), policy)
            for text, prompt in zip(texts, prompts, strict=True)
        ]
        readable = [scan for scan in scans if isinstance(scan, Scan)]
        logits = self._attempt(lambda: self._score(readable, request.policies), policy)
        if isinstance(logits, UnigurdError):
            return [self.failed(scan if isinstance(scan, UnigurdError) else logits, request) for scan in scans]
        remaining = iter(logits)
        return [
            self.failed(scan, request)
            if isinstance(scan, UnigurdError)
            else self._verdicts(scan, next(remaining), request)
            for scan in scans
        ]

    @property
    def tokenizer(self) -> GuardTokenizer:
        """The checkpoint's tokenizer; loads the model if that was not done yet."""
        return self._load()[1].segmenter.tokenizer

    @property
    def arithmetic(self) -> ChosenArithmetic:
        """The arithmetic in which texts are scored."""
        options = self.options
        return settle(self.checkpoint.manifest, options.runtime, options.device, options.arithmetic)[1]

    def renew(self) -> None:
        """Begin anew in a forked process: the model is loaded again at the next check."""
        leave(self._loaded)
        self._begin()

    def _begin(self) -> None:
        """Have nothing loaded and nothing remembered."""
        self._states: StateCache[PolicyState] = StateCache(self.options.cache_size)
        self._results = ResultCache(self.options.cache_results) if self.options.cache_results else None
        self._loaded: tuple[Runtime, Scanner] | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Release the model and refuse further checks; checks that are running finish."""
        with self._lock:
            self._closed = True
            loaded, self._loaded = self._loaded, None
        self._states.clear()
        if self._results is not None:
            self._results.clear()
        if loaded is not None:
            loaded[0].close()

    def _attempt(self, step: Callable[[], T], policy: str) -> T | UnigurdError:
        """Run a step of a check. The guard fails closed here: any error is raised or becomes the result."""
        try:
            return step()
        except GuardClosed:
            raise
        except Exception as cause:
            error = _explained(cause, policy)
            if self.options.on_error == "raise":
                if error is cause:
                    raise
                raise error from cause
            log.error("A check failed (%s), on_error=%s decides", type(cause).__name__, self.options.on_error)
            return error

    def _load(self) -> tuple[Runtime, Scanner]:
        with self._lock:
            if self._closed:
                raise GuardClosed
            if self._loaded is None:
                from unigurd_sdk.tokenizer import GuardTokenizer

                options = self.options
                how = (options.runtime, options.device, options.threads, options.arithmetic)
                tokenizer = GuardTokenizer.from_file(self.checkpoint.file("tokenizer.json"))
                self._loaded = create(self.checkpoint, *how, tokenizer), self._scanner(tokenizer)
            return self._loaded

    def _scanner(self, tokenizer: GuardTokenizer) -> Scanner:
        manifest, close = self.checkpoint.manifest, None
        if manifest.reads_close:
            size = manifest.close_length
            close = Close(Segmenter(tokenizer, size, size // 2), manifest.close_above)
        segmenter = Segmenter(tokenizer, manifest.max_length, manifest.overlap)
        return Scanner(segmenter, self.options.views, self.options.limits, close)

    def _scan(self, text: str, prompt: str | None, role: Role) -> Scan:
        return self._load()[1].scan(text, role, prompt)

    def _score(self, scans: Sequence[Scan], policies: Sequence[Policy]) -> list[NDArray[np.float64]]:
        """Score every window of every text: one array [windows, K] of logits, divided by the temperature, per text."""
        if not scans:
            return []
        runtime, _ = self._load()
        states = [
            self._states.get((self.checkpoint.id, policy.fingerprint), partial(runtime.encode_policy, policy))
            for policy in policies
        ]
        segments = [ids for scan in scans for ids in scan.ids]
        logits = runtime.score(segments, states)
        if logits.shape != (len(segments), len(states)) or not np.isfinite(logits).all():
            raise InferenceError("the model did not return one finite score per window and policy")
        scaled = logits.astype(np.float64) / self.checkpoint.manifest.temperature
        return np.split(scaled, np.cumsum([len(scan.ids) for scan in scans])[:-1])

    def _verdicts(self, scan: Scan, logits: NDArray[np.float64], request: Request) -> tuple[Verdict, ...]:
        """Decide by the windows of a text: `logits` [windows, K]."""
        latency = (time.perf_counter() - request.started) * 1000
        manifest = self.checkpoint.manifest
        counts = [count for _, count in scan.parts]
        calibrated = calibrate(logits, counts, manifest.window_slope, manifest.window_most)
        overall = _sigmoid(aggregate(calibrated, counts, manifest.aggregation))
        asked = zip(request.policies, request.thresholds, overall.tolist(), _sigmoid(calibrated).T, strict=True)
        return tuple(
            Verdict(
                policy=policy.name,
                unsafe=score >= threshold,
                score=score,
                threshold=threshold,
                tokens=TokenCount(scan.tokens, scan.tokens),
                latency_ms=latency,
                role=request.role,
                checkpoint=self._name,
                windows=_worst_windows(scan, column),
                views=scan.views,
            )
            for policy, threshold, score, column in asked
        )

    def failed(self, error: UnigurdError, request: Request, on_error: OnError | None = None) -> tuple[Verdict, ...]:
        """Give the verdicts of a check that failed, as `on_error` says ("block" or "allow"; None: the guard's own)."""
        decision = on_error or self.options.on_error
        allow = decision == "allow"
        latency = (time.perf_counter() - request.started) * 1000
        return tuple(
            Verdict(
                policy=policy.name,
                unsafe=not allow,
                score=0.0 if allow else 1.0,
                threshold=threshold,
                tokens=TokenCount(0, 0),
                latency_ms=latency,
                role=request.role,
                checkpoint=self._name,
                decided_by=f"on_error={decision}",
                error=str(error),
            )
            for policy, threshold in zip(request.policies, request.thresholds, strict=True)
        )

    @property
    def _name(self) -> str:
        return f"{self.checkpoint.manifest.name}@{self.checkpoint.id}"


def _explained(cause: Exception, policy: str) -> UnigurdError:
    """Keep our own errors; name only the type of others, since their messages may quote the text."""
    if isinstance(cause, UnigurdError):
        return cause
    return InferenceError(f"{type(cause).__name__} inside the model", policy=policy)


def _worst_windows(scan: Scan, scores: NDArray[np.float64]) -> tuple[Window, ...]:
    ranked = sorted(zip(scores.tolist(), scan.spans, strict=True), key=lambda pair: -pair[0])
    return tuple(Window(start, end, score) for score, (start, end) in ranked[:_WINDOWS_SHOWN])


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)) without overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * values)
