"""New policies from an LLM: commissions from a taxonomy, answers read tolerantly, and texts for each policy.

Every answer is in the journal of the folder before it is used, so a run that was killed asks for nothing twice.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unigurd_sdk.policy import Policy
from unigurd_trainer.errors import DataError
from unigurd_trainer.http.chat import ChatClient
from unigurd_trainer.http.dialect import Answer
from unigurd_trainer.rows import Episode
from unigurd_trainer.sdg.background import Background
from unigurd_trainer.sdg.chat import JournaledChat, Question, seed_of
from unigurd_trainer.sdg.hooks import Request
from unigurd_trainer.sdg.journal import Journal
from unigurd_trainer.sdg.llm import JOURNAL, STATISTICS, LlmGenerator, LlmOptions
from unigurd_trainer.sdg.parsing import is_refusal
from unigurd_trainer.sdg.policies import write_policies
from unigurd_trainer.sdg.policy_drafting import DRAFT, PER_REQUEST, draft, read_policies
from unigurd_trainer.sdg.samples import Sample, sample_id
from unigurd_trainer.sdg.shards import replace_file
from unigurd_trainer.sdg.statistics import RunStatistics
from unigurd_trainer.sdg.taxonomy import Commission, commissions

__all__ = ["LlmPolicySource", "LlmTexts", "PolicyAccount", "write_llm_policies"]

SHOWN = 2
"""Seed policies that a request shows."""

FRUITLESS = 20
"""Answers in a row without a usable policy, after which the model is taken to be unable to write any."""


@dataclass(slots=True)
class PolicyAccount:
    """What became of the policies that were asked for.

    Attributes:
        asked: Policies asked for.
        refused: Of these, in answers that decline.
        usable: Read, and proposed.
        rejected: Read but of no use, by reason.
    """

    asked: int = 0
    refused: int = 0
    usable: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def to_record(self) -> dict[str, Any]:
        """Turn the account into plain values for JSON."""
        rejected = dict(sorted(self.rejected.items()))
        return {"asked": self.asked, "refused": self.refused, "usable": self.usable, "rejected": rejected}


class LlmPolicySource:
    """Proposes policies that an LLM writes; a `PolicySource`.

    Args:
        background: Where requests run.
        chat: The model.
        seeds: Policies to show as examples of the form; at least one.
        options: How many requests at a time, and the temperature.
        count: Policies that will be wanted, so that not too many are asked for.
        seed: Same seed, same requests.

    Attributes:
        account: What became of the policies that were asked for.
    """

    def __init__(
        self,
        background: Background,
        chat: JournaledChat,
        seeds: Sequence[Policy],
        options: LlmOptions,
        *,
        count: int,
        seed: int = 0,
    ) -> None:
        self._background, self._chat, self._seeds, self._options = background, chat, seeds, options
        self._count, self._seed = count, seed
        self._begin()

    def episode(self, index: int) -> Episode:
        """Return the proposal of this index, without texts; cheap in the order of the indices.

        Raises:
            DataError: The model writes no usable policy.
            EndpointError: The endpoint cannot be used.
        """
        if index < self._given:
            self._begin()
        while True:
            policy = next(self._stream)
            self._given += 1
            if self._given > index:
                return Episode(policy, (), "written")

    def _begin(self) -> None:
        self.account, self._given = PolicyAccount(), 0
        self._stream = self._policies()

    def _policies(self) -> Iterator[Policy]:
        """Yield what the answers hold, in the order of the requests."""
        orders = enumerate(commissions(self._seed))
        pending: deque[tuple[Commission, Future[Answer | None]]] = deque()
        fruitless = 0
        while fruitless < FRUITLESS:
            while len(pending) < self._room:
                number, commission = next(orders)
                pending.append((commission, self._background.submit(self._ask(number, commission))))
            commission, future = pending.popleft()
            policies = self._read(commission, self._background.result(future))
            fruitless = 0 if policies else fruitless + 1
            yield from policies
        raise DataError(
            f"{FRUITLESS} answers in a row held no usable policy ({self.account.to_record()}). Try another model, or "
            "structured='json_object'."
        )

    @property
    def _room(self) -> int:
        """Requests worth having open: for what is missing or, where many proposals are not new, for a few more."""
        missing = self._count - self._given
        wanted = missing if missing > 0 else -missing // 4
        return max(1, min(-(-wanted // PER_REQUEST), self._options.concurrency))

    async def _ask(self, number: int, commission: Commission) -> Answer | None:
        seed = seed_of(self._seed, "policies", number)
        fitting = [policy for policy in self._seeds if policy.kind == commission.kind] or self._seeds
        shown = random.Random(seed).sample(fitting, min(SHOWN, len(fitting)))
        temperature = self._options.temperature
        question = Question(DRAFT, draft(commission, shown), seed, PER_REQUEST, temperature=temperature)
        return await self._chat.ask(question)

    def _read(self, commission: Commission, answer: Answer | None) -> list[Policy]:
        self.account.asked += PER_REQUEST
        if answer is None or answer.refused:
            self.account.refused += PER_REQUEST if answer else 0
            return []
        policies, rejected = read_policies(answer.text, commission)
        if not policies and is_refusal(answer.text):
            self.account.refused += PER_REQUEST
            return []
        self.account.usable += len(policies)
        self.account.rejected.update(rejected)
        return policies


class LlmTexts:
    """Writes texts for policies with the generator `llm`; a `TextSource`.

    The policies stay as they are: self-reflection may turn labels, rewrite texts and drop them.
    """

    def __init__(
        self, background: Background, chat: JournaledChat, options: LlmOptions, *, count: int, seed: int = 0
    ) -> None:
        self._background, self._chat, self._count, self._seed = background, chat, count, seed
        self._options = options.model_copy(update={"refine": False})

    @property
    def ahead(self) -> int:
        """As many as there are requests at a time, so that short policies keep the model busy, too."""
        return self._options.concurrency

    def begin(self, policy: Policy) -> Callable[[], Sequence[Sample]]:
        """Begin to write the texts of a policy; what is returned waits for them."""
        future = self._background.submit(self._write(policy))
        return lambda: self._background.result(future)

    async def _write(self, policy: Policy) -> list[Sample]:
        statistics = RunStatistics()
        seed = seed_of(self._seed, policy.fingerprint)  # so that policies do not share their personas and lengths
        request = Request(policy, self._count, seed, options=self._options)
        try:
            return [sample async for sample in LlmGenerator().write(request, self._chat.beside(statistics))]
        finally:
            self._chat.statistics.add(statistics)


def write_llm_policies(
    count: int,
    folder: Path,
    options: LlmOptions,
    seeds: Sequence[Policy],
    *,
    texts: int = 0,
    seed: int = 0,
    form: str = "jsonl",
    observe: Callable[[int], None] = lambda written: None,
) -> dict[str, Any]:
    """Have `count` new policies written to `folder`, each with `texts` samples; returns the account.

    Policies and samples go to shards as by `write_policies`; the journal and ``llm-statistics.json`` stand beside them.

    Raises:
        RecipeError: The folder or its journal is that of another run, or nothing new comes any more.
        DataError: The model writes no usable policy, or the journal cannot be written.
        EndpointError: The endpoint cannot be used; the same call goes on.
    """
    identity, statistics, started = _identity(options, seeds, seed), RunStatistics(), time.monotonic()
    with Journal(folder / JOURNAL, identity) as journal, Background() as background:
        chat = JournaledChat(background.enter(ChatClient(options)), journal, options, statistics)
        source = LlmPolicySource(background, chat, seeds, options, count=count, seed=seed)
        writer = LlmTexts(background, chat, options, count=texts, seed=seed) if texts else None
        try:
            result = write_policies(
                source, count, folder, texts=writer, known=seeds, identity=identity | {"texts": str(texts)}, form=form,
                observe=observe,
            )  # fmt: skip
            statistics.complete = True
        finally:
            statistics.seconds = time.monotonic() - started
            _close(folder, statistics, source.account)
    return result | source.account.to_record() | _spent(statistics)


def _identity(options: LlmOptions, seeds: Sequence[Policy], seed: int) -> dict[str, str]:
    """Return what the journal and the shards are bound to; not the count, so that more can be asked for."""
    shown = sample_id(*(policy.model_dump_json() for policy in seeds))
    return {"source": "llm", "seeds": shown, "seed": str(seed), "template": DRAFT.hash, **options.identity()}


def _close(folder: Path, statistics: RunStatistics, account: PolicyAccount) -> None:
    statistics.close()
    record = statistics.to_record() | {"policies": account.to_record()}
    replace_file(folder / STATISTICS, (json.dumps(record, indent=2) + "\n").encode())


def _spent(statistics: RunStatistics) -> dict[str, Any]:
    record = statistics.to_record()
    names = ("requests", "replayed", "prompt_tokens", "completion_tokens", "cost", "refusal_rate", "warnings")
    return {name: record[name] for name in names}
