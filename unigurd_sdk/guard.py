"""The guard: policies, a checkpoint and a runtime behind one method, `check`.

It fails closed: whatever goes wrong inside, a text that was not read is never reported as safe, unless the
caller asked for exactly that with `on_error="allow"`, and then the verdict says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, get_args, overload

from unigurd_sdk.asynchronous import Asynchronous
from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.conversation.method import Conversations
from unigurd_sdk.engine import Engine, OnError, Options
from unigurd_sdk.errors import ConfigError
from unigurd_sdk.gathering import Gatherer
from unigurd_sdk.hub import open_checkpoint
from unigurd_sdk.limits import MAX_BYTES, MAX_READINGS, MAX_WINDOWS, Limits
from unigurd_sdk.policy import Policy
from unigurd_sdk.protect.method import Protections
from unigurd_sdk.registry import PolicyRegistry
from unigurd_sdk.request import PolicyLike, Resolver, refuse_types, several
from unigurd_sdk.runtime import Device, RuntimeName, choose, settle
from unigurd_sdk.runtime.arithmetic import Arithmetic, ChosenArithmetic
from unigurd_sdk.stream.method import Streams
from unigurd_sdk.template import Role
from unigurd_sdk.verdict import Report, Verdict
from unigurd_sdk.views import Views, choose_views

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self


class Guard(Asynchronous, Streams, Conversations, Protections):
    """Checks texts against policies. Safe for threads; the model is loaded at the first check, once.

    Attributes:
        checkpoint: The verified checkpoint that it runs.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: Device = "auto",
        runtime: RuntimeName = "auto",
        policies: Iterable[PolicyLike] | None = None,
        threads: int | None = None,
        on_error: OnError = "raise",
        views: Views = "default",
        max_bytes: int = MAX_BYTES,
        max_windows: int = MAX_WINDOWS,
        max_readings: int = MAX_READINGS,
        cache_size: int = 128,
        cache_results: int = 0,
        arithmetic: Arithmetic = "auto",
    ) -> None:
        """Guard with an open checkpoint; see `from_pretrained` for the arguments."""
        if on_error not in get_args(OnError):
            raise ConfigError(f"on_error must be one of {', '.join(get_args(OnError))}, not {on_error!r}.")
        if threads is not None and threads < 1:
            raise ConfigError(f"threads must be at least 1, not {threads}.")
        if cache_results < 0:
            raise ConfigError(f"cache_results must be at least 0, not {cache_results}.")
        choose(checkpoint.manifest, runtime, device)
        if arithmetic != "auto":  # which never fails, and need not ask the processor before the first check
            settle(checkpoint.manifest, runtime, device, arithmetic)
        self.checkpoint = checkpoint
        limits = Limits(max_bytes, max_windows, max_readings)
        caches = (cache_size, cache_results)
        options = Options(runtime, device, threads, on_error, limits, choose_views(views), *caches, arithmetic)
        self._engine = Engine(checkpoint, options)
        self._gatherer = Gatherer(self._engine.answer)
        self._registry = PolicyRegistry()
        defaults = tuple(self.add_policy(policy) for policy in several(policies or ()))
        self._resolver = Resolver(self._registry, checkpoint.manifest, defaults)

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path = "uniguard",
        *,
        revision: str | None = None,
        device: Device = "auto",
        runtime: RuntimeName = "auto",
        policies: Iterable[PolicyLike] | None = None,
        offline: bool | None = None,
        threads: int | None = None,
        on_error: OnError = "raise",
        views: Views = "default",
        max_bytes: int = MAX_BYTES,
        max_windows: int = MAX_WINDOWS,
        max_readings: int = MAX_READINGS,
        cache_size: int = 128,
        cache_results: int = 0,
        arithmetic: Arithmetic = "auto",
    ) -> Self:
        """Open a checkpoint by name and verify it.

        Args:
            name: A bundled checkpoint, a folder, or "organisation/name" on the Hugging Face Hub.
            revision: The commit of a Hub repository.
            device: "cpu", "cuda" (with the extra `torch`) or "auto".
            runtime: "onnx", "torch" or "auto": onnx on a CPU.
            policies: Policies to add to the built-in ones. If there is exactly one, it is the default of
                `check`.
            offline: Never use the network; by default what UNIGURD_OFFLINE or HF_HUB_OFFLINE say.
            threads: Threads of one operation; by default one per core.
            on_error: What a check does when it fails: "raise" an error, "block" (an unsafe verdict with the
                error) or "allow" (a safe verdict with the error; for when availability matters more than
                safety).
            views: "default" reads a text also with its disguises undone (see docs/hostile-inputs.md); "none" reads
                it as it is; a list names built-in views and gives own ones (`unigurd_sdk.views.View`).
            max_bytes: Larger texts (and prompts) raise `LimitExceeded`, or are blocked; they are never cut.
            max_windows: So are texts that need more windows, in all their readings.
            max_readings: So are texts that can be read in more ways, or whose readings together are longer than
                that many times the text.
            cache_size: How many encoded policies to keep.
            cache_results: For how many texts to remember the verdicts, by a hash of the text; 0 remembers none.
            arithmetic: "float32", "int8" (faster, the same verdicts) or "auto": int8 where the checkpoint has it, the
                runtime is onnx, and a product that is computed once in a process shows that the processor is exact.

        Raises:
            ModelError: There is no such checkpoint, or it is damaged, or not for this version.
            ConfigError: The arguments do not go together.
            MissingExtra: The device or runtime needs torch, which is not installed.
        """
        return cls(
            open_checkpoint(name, revision, offline=offline),
            device=device,
            runtime=runtime,
            policies=policies,
            threads=threads,
            on_error=on_error,
            views=views,
            max_bytes=max_bytes,
            max_windows=max_windows,
            max_readings=max_readings,
            cache_size=cache_size,
            cache_results=cache_results,
            arithmetic=arithmetic,
        )

    @property
    def arithmetic(self) -> ChosenArithmetic:
        """The arithmetic in which texts are scored, "float32" or "int8"; policies are always encoded in float32."""
        return self._engine.arithmetic

    @property
    def policies(self) -> Mapping[str, Policy]:
        """The policies known by name; read-only, see `add_policy`."""
        return MappingProxyType(self._registry)

    def add_policy(self, policy: PolicyLike, *, replace: bool = False) -> Policy:
        """Make a policy known by its name and return it; `PolicyConflict` if a different one has the name."""
        resolved = self._registry.resolve(policy)
        self._registry.add(resolved, replace=replace)
        return resolved

    @overload
    def check(
        self,
        text: str,
        policy: PolicyLike | None = None,
        *,
        policies: None = None,
        role: Role = "user",
        prompt: str | None = None,
        threshold: float | None = None,
    ) -> Verdict: ...

    @overload
    def check(
        self,
        text: str,
        policy: None = None,
        *,
        policies: Iterable[PolicyLike],
        role: Role = "user",
        prompt: str | None = None,
        threshold: float | None = None,
    ) -> Report: ...

    def check(
        self,
        text: str,
        policy: PolicyLike | None = None,
        *,
        policies: Iterable[PolicyLike] | None = None,
        role: Role = "user",
        prompt: str | None = None,
        threshold: float | None = None,
    ) -> Verdict | Report:
        """Check one text: a `Verdict` for `policy`, a `Report` for `policies`.

        Args:
            text: Any length up to the guard's `max_bytes`; all of it is read, in overlapping windows.
            policy: What to check against; may be left out if the guard was given exactly one policy.
            policies: Several policies at once; cheaper than one call for each.
            role: Who wrote the text: "user", "assistant" or "document".
            prompt: The prompt that an assistant's text answers. It is context and is not itself checked;
                the end of a long prompt is used.
            threshold: Score from which the text is unsafe; by default the checkpoint's for the policy.

        Raises:
            ConfigError, PolicyError, TypeError: The call is wrong; always raised, whatever `on_error` says.
            InferenceError, LimitExceeded, ModelError: The check failed and `on_error` is "raise".
            GuardClosed: The guard was closed.
        """
        request = self._resolver.request(policy, policies, role, threshold)
        refuse_types([text], [prompt], role)
        verdicts = self._engine.answer([text], [prompt], request)[0]
        return verdicts[0] if policies is None else Report(verdicts)

    @overload
    def check_batch(
        self,
        texts: Iterable[str],
        policy: PolicyLike | None = None,
        *,
        policies: None = None,
        role: Role = "user",
        prompts: Sequence[str | None] | None = None,
        threshold: float | None = None,
    ) -> list[Verdict]: ...

    @overload
    def check_batch(
        self,
        texts: Iterable[str],
        policy: None = None,
        *,
        policies: Iterable[PolicyLike],
        role: Role = "user",
        prompts: Sequence[str | None] | None = None,
        threshold: float | None = None,
    ) -> list[Report]: ...

    def check_batch(
        self,
        texts: Iterable[str],
        policy: PolicyLike | None = None,
        *,
        policies: Iterable[PolicyLike] | None = None,
        role: Role = "user",
        prompts: Sequence[str | None] | None = None,
        threshold: float | None = None,
    ) -> list[Verdict] | list[Report]:
        """Check many texts in few model calls, as `check` does one; answers come in the texts' order.

        The latency of each verdict is that of the whole call. A text over a limit does not affect the
        others when `on_error` is not "raise".
        """
        if isinstance(texts, str):
            raise TypeError("check_batch takes several texts; use check for one.")
        request = self._resolver.request(policy, policies, role, threshold)
        listed = list(texts)
        paired = [None] * len(listed) if prompts is None else list(prompts)
        refuse_types(listed, paired, role)
        answers = self._engine.answer(listed, paired, request)
        return [a[0] for a in answers] if policies is None else [Report(a) for a in answers]

    def close(self) -> None:
        """Release the model; using the guard afterwards raises `GuardClosed`."""
        self._gatherer.close()
        self._engine.close()

    def __enter__(self) -> Self:
        """Return the guard; leaving the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the guard."""
        self.close()

    def __repr__(self) -> str:
        """Name the checkpoint."""
        return f"Guard({self.checkpoint.manifest.name}@{self.checkpoint.id})"
