"""The generator ``llm``: samples for a policy from any endpoint of the OpenAI chat protocol.

::

    options = LlmOptions(endpoint="http://localhost:11434/v1", model="llama3.1")
    request = Request(policy=policy, count=500, folder=Path("data"), options=options)
    for sample in LlmGenerator().generate(request):
        ...
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing
from pathlib import Path

from unigurd_sdk.policy import Policy
from unigurd_trainer.errors import DataError, RecipeError
from unigurd_trainer.http.chat import ChatClient
from unigurd_trainer.sdg import prompts
from unigurd_trainer.sdg.chat import JournaledChat
from unigurd_trainer.sdg.controls import label_of, plan
from unigurd_trainer.sdg.hooks import Request
from unigurd_trainer.sdg.journal import Journal
from unigurd_trainer.sdg.options import LlmOptions
from unigurd_trainer.sdg.reflection import Reflection
from unigurd_trainer.sdg.samples import LABELS, Control, Sample, sample_id
from unigurd_trainer.sdg.statistics import RunStatistics
from unigurd_trainer.sdg.stream import iterate
from unigurd_trainer.sdg.writing import Writer

__all__ = ["JOURNAL", "STATISTICS", "LlmGenerator", "LlmOptions"]

logger = logging.getLogger(__name__)

JOURNAL = "llm-journal.sqlite3"
STATISTICS = "llm-statistics.json"


class LlmGenerator:
    """Writes samples with an LLM, and has it reflect on them.

    Attributes:
        statistics: The account of the latest run, up to date while it goes on.
        policies: The policy of the latest run and its clearer versions, in order.
    """

    name = "llm"

    def __init__(self) -> None:
        self.statistics = RunStatistics()
        self.policies: tuple[Policy, ...] = ()

    def generate(self, request: Request) -> Generator[Sample, None, None]:
        """Yield samples as they are ready; with self-reflection that is at the end.

        What was paid for is in the journal in `request.folder`: after a crash, the same request goes on there. The
        folder also gets the statistics and, from self-reflection, the policy's versions with their diffs.

        Raises:
            RecipeError: The options are not `LlmOptions`, or the journal is another run's.
            EndpointError: The endpoint cannot be used; what was made before can be had by the same request.
            DataError: The journal cannot be written, or not one text could be used.
        """
        _options(request)
        return iterate(lambda: self.agenerate(request))

    async def agenerate(self, request: Request) -> AsyncGenerator[Sample, None]:
        """Do what `generate` does, in the running event loop."""
        options, statistics, started = _options(request), RunStatistics(), time.monotonic()
        self.statistics, self.policies = statistics, (request.policy,)
        with Journal(request.folder / JOURNAL, _identity(request, options)) as journal:
            try:
                async with ChatClient(options) as client:
                    chat = JournaledChat(client, journal, options, statistics)
                    async with aclosing(self.write(request, chat)) as samples:
                        async for sample in samples:
                            yield sample
                statistics.complete = True
            finally:
                statistics.seconds = time.monotonic() - started
                self._close(request.folder)
        if request.count > 0 and not statistics.made:
            raise DataError(_nothing(statistics))

    async def write(self, request: Request, chat: JournaledChat) -> AsyncGenerator[Sample, None]:
        """Write the samples of a request through a chat that is open; the account is that of the chat."""
        self.statistics, self.policies = chat.statistics, (request.policy,)
        async with aclosing(self._samples(request, chat, _options(request))) as samples:
            async for sample in samples:
                chat.statistics.made[LABELS[sample.label]] += 1
                yield sample

    async def _samples(
        self, request: Request, chat: JournaledChat, options: LlmOptions
    ) -> AsyncGenerator[Sample, None]:
        policy, writer = request.policy, Writer(chat, options, request.seed)
        controls = plan(policy, request.count, request.seed, options.axes())
        chat.statistics.wanted = Counter(LABELS[label_of(policy, control)] for control in controls)
        if not options.reflection_rounds:
            async with aclosing(writer.write(policy, controls)) as samples:
                async for sample in samples:
                    yield sample
            return

        async def regenerate(newer: Policy, again: Sequence[Control], round_: int) -> list[Sample]:
            return [sample async for sample in writer.write(newer, again, round_)]

        reflection = Reflection(chat, options, request.seed, writer.note)
        reflected = await reflection.run(policy, await regenerate(policy, controls, 0), regenerate)
        self.policies = reflected.policies
        for sample in reflected.samples:
            yield sample

    def _close(self, folder: Path) -> None:
        self.statistics.close()
        for warning in self.statistics.warnings:
            logger.warning("%s", warning)
        versions = {f"policy-v{policy.version}.yaml": policy.to_source() for policy in self.policies[1:]}
        diffs = {
            f"policy-v{each.policy_version + 1}.diff": each.diff for each in self.statistics.reflection if each.diff
        }
        record = json.dumps(self.statistics.to_record(), indent=2) + "\n"
        try:
            for name, text in {STATISTICS: record, **versions, **diffs}.items():
                _replace(folder / name, text)
        except OSError as error:
            if self.statistics.complete:
                raise DataError(f"the account cannot be written ({error.strerror})", file=folder) from error
            logger.warning("The account cannot be written to %s: %s", folder, error.strerror)


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _options(request: Request) -> LlmOptions:
    if not isinstance(request.options, LlmOptions):
        raise RecipeError("The generator 'llm' needs options=LlmOptions(endpoint=..., model=...).")
    return request.options


def _identity(request: Request, options: LlmOptions) -> dict[str, str]:
    """Return what the journal is bound to; not the count, so that more of the same can be asked for."""
    examples = [example.model_dump() for example in request.policy.examples]
    return {
        "policy": " ".join([request.policy.name, request.policy.kind, request.policy.fingerprint]),
        "examples": sample_id(json.dumps(examples)),
        "seed": str(request.seed),
        "template": prompts.WRITE.hash,
        **options.identity(),
    }


def _nothing(statistics: RunStatistics) -> str:
    asked, refused = sum(statistics.asked.values()), sum(statistics.refused.values())
    return (
        f"None of the {asked} texts that were asked for could be used: {refused} were refused, "
        f"{statistics.parse_failures} answers could not be read, {sum(statistics.rejected.values())} texts were turned "
        "down. Try another model, or structured='json_object'."
    )
