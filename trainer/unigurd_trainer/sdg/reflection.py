"""Self-reflection: judge texts without their label, settle disagreements, clarify the policy (paper, section 3.1).

A round judges what is new, settles what was judged otherwise than it was written (keep, flip, rewrite, drop), and, if
there was much of it, asks for a clearer policy from at most 20 disputes and has the texts of changed behaviours
written again. It ends when fewer than 2 % of all samples are disputed, or after three rounds.
"""

from __future__ import annotations

import difflib
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from unigurd_sdk.errors import InvalidPolicy
from unigurd_sdk.policy import Policy
from unigurd_trainer.sdg import prompts
from unigurd_trainer.sdg.chat import JournaledChat, Question, in_order, seed_of
from unigurd_trainer.sdg.options import LlmOptions
from unigurd_trainer.sdg.parsing import Opinion, fault_of, rationale_of, read_object, read_opinions, side, text_of
from unigurd_trainer.sdg.samples import Control, Sample
from unigurd_trainer.sdg.statistics import ReflectionRound

__all__ = ["Reflected", "Reflection", "policy_diff"]

logger = logging.getLogger(__name__)

MAX_DISPUTES = 20
"""Disputes that the model sees when it clarifies a policy."""

JUDGE_TRIES = 2
"""How often a verdict is asked for that an answer leaves out."""

Regenerate = Callable[[Policy, Sequence[Control], int], Awaitable[list[Sample]]]


@dataclass(frozen=True, slots=True)
class Reflected:
    """What came of self-reflection: the samples that stay, and the policies, the given one first."""

    samples: tuple[Sample, ...]
    policies: tuple[Policy, ...]


@dataclass(frozen=True, slots=True)
class _Dispute:
    sample: Sample
    opinion: Opinion


@dataclass(slots=True)
class _Sorted:
    """Where the samples of a round go: settled, judged again in the next round, or written anew."""

    settled: list[Sample] = field(default_factory=list)
    again: list[Sample] = field(default_factory=list)
    anew: list[Control] = field(default_factory=list)


class Reflection:
    """Reflects on the samples of a run.

    Args:
        chat: The model that judges.
        options: How often and how strictly.
        seed: Same seed, same requests.
        is_new: Remembers a rewritten sample and says whether its text is new.
    """

    def __init__(self, chat: JournaledChat, options: LlmOptions, seed: int, is_new: Callable[[Sample], bool]) -> None:
        self._chat = chat
        self._options = options
        self._seed = seed
        self._is_new = is_new

    async def run(self, policy: Policy, samples: Sequence[Sample], regenerate: Regenerate) -> Reflected:
        """Judge, settle and clarify until the samples agree with the policy, or the rounds are used up."""
        policies, settled, pending = [policy], list[Sample](), list(samples)
        for number in range(self._options.reflection_rounds):
            policy = policies[-1]
            report = ReflectionRound(number, policy.version, total=len(settled) + len(pending))
            self._chat.statistics.reflection.append(report)
            sorted_, disputes = await self._round(policy, pending, report)
            settled += sorted_.settled
            pending = sorted_.again
            last = number + 1 == self._options.reflection_rounds
            if last or not disputes or report.rate < self._options.reflection_stop:
                break
            clearer = await self._clarified(policy, disputes, number)
            if clearer is not None:
                policies.append(clearer)
                report.diff = policy_diff(policy, clearer)
                settled, gone = _sifted(settled, policy, clearer)
                pending, gone_too = _sifted(pending, policy, clearer)
                sorted_.anew = _replanned([*sorted_.anew, *gone, *gone_too], policy, clearer)
            report.regenerated = len(sorted_.anew)
            pending += await regenerate(policies[-1], sorted_.anew, number + 1)
            if not pending:
                break
        return Reflected((*settled, *pending), tuple(policies))

    async def _round(
        self, policy: Policy, pending: Sequence[Sample], report: ReflectionRound
    ) -> tuple[_Sorted, list[_Dispute]]:
        pending = [replace(sample, policy_version=policy.version) for sample in pending]
        opinions = await self._opinions(policy, pending, report.round)
        result, disputes = _Sorted(), []
        for sample, opinion in zip(pending, opinions, strict=True):
            if opinion is None:
                report.unjudged += 1
                result.settled.append(sample)
            elif opinion.label == sample.label:
                result.settled.append(replace(sample, confidence=opinion.confidence))
            else:
                disputes.append(_Dispute(sample, opinion))
        report.judged, report.disagreements = len(pending) - report.unjudged, len(disputes)
        work = (self._settle(policy, dispute, report.round) for dispute in disputes)
        async with aclosing(in_order(work, self._chat.ahead)) as outcomes:
            async for dispute, decision in outcomes:
                self._apply(dispute, decision, report, result)
        return result, disputes

    async def _opinions(self, policy: Policy, samples: Sequence[Sample], round_: int) -> list[Opinion | None]:
        votes: list[list[Opinion]] = [[] for _ in samples]
        for ballot in range(self._options.self_consistency):
            for place, opinion in (await self._ballot(policy, samples, round_, ballot)).items():
                votes[place].append(opinion)
        return [_majority(each, sample.label) for each, sample in zip(votes, samples, strict=True)]

    async def _ballot(self, policy: Policy, samples: Sequence[Sample], round_: int, ballot: int) -> dict[int, Opinion]:
        found: dict[int, Opinion] = {}
        for attempt in range(JUDGE_TRIES):
            order = [place for place in range(len(samples)) if place not in found]
            random.Random(f"{self._seed}:{round_}:{ballot}:{attempt}").shuffle(order)  # sides and subjects mix
            size = self._options.judge_per_request
            chunks = [order[start : start + size] for start in range(0, len(order), size)]
            work = (
                self._judge(policy, {place: samples[place].text for place in chunk}, (round_, ballot, number), attempt)
                for number, chunk in enumerate(chunks)
            )
            async with aclosing(in_order(work, self._chat.ahead)) as answers:
                async for opinions in answers:
                    found |= opinions
        return found

    async def _judge(
        self, policy: Policy, texts: Mapping[int, str], where: tuple[int, ...], attempt: int
    ) -> dict[int, Opinion]:
        """Return the opinions on texts by their keys."""
        messages, seed = prompts.judge(policy, [*texts.values()]), seed_of(self._seed, "judge", *where, attempt)
        temperature = 0.0 if self._options.self_consistency == 1 else self._options.temperature
        question = Question(prompts.JUDGE, messages, seed, len(texts), attempt, temperature, self._options.judge_model)
        answer = await self._chat.ask(question)
        opinions = {} if answer is None else read_opinions(answer.text, len(texts))
        return {key: opinions[place] for place, key in enumerate(texts) if place in opinions}

    async def _settle(
        self, policy: Policy, dispute: _Dispute, round_: int
    ) -> tuple[_Dispute, dict[str, object] | None]:
        sample = dispute.sample
        seed = seed_of(self._seed, "settle", round_, sample.id)
        rationales = [sample.rationale, dispute.opinion.rationale]
        random.Random(seed).shuffle(rationales)  # so that the place does not tell whose it is
        messages = prompts.settle(policy, sample.text, *rationales)
        question = Question(prompts.SETTLE, messages, seed, temperature=0.0, model=self._options.judge_model)
        answer = await self._chat.ask(question)
        return dispute, None if answer is None else read_object(answer.text, "decision")

    def _apply(
        self, dispute: _Dispute, decision: dict[str, object] | None, report: ReflectionRound, result: _Sorted
    ) -> None:
        sample, decision = dispute.sample, decision or {}
        label, word = side(decision.get("decision")), str(decision.get("decision"))
        rationale = rationale_of(decision) or dispute.opinion.rationale
        rewritten = self._rewritten(sample, decision, rationale, report.round) if word == "rewrite" else None
        if label == sample.label:
            report.kept += 1
            result.settled.append(replace(sample, confidence=1 - dispute.opinion.confidence / 2))
        elif label is not None:
            report.flipped += 1
            result.settled.append(sample.relabelled(label, rationale, round_=report.round))
        elif rewritten is not None:
            report.rewritten += 1
            result.again.append(rewritten)
        else:  # dropped, or no decision could be had
            report.dropped += 1
            result.anew.append(sample.control)

    def _rewritten(self, sample: Sample, decision: dict[str, object], rationale: str, round_: int) -> Sample | None:
        text, label = text_of(decision), side(decision.get("side"))
        if label is None or fault_of(text, max_chars=self._options.max_chars):
            return None
        provenance = replace(sample.provenance, template=prompts.SETTLE.hash, round=round_)
        changed = replace(sample, text=text, provenance=provenance)
        if not self._is_new(changed):
            return None
        if label == sample.label:
            return replace(changed, rationale=rationale)
        return changed.relabelled(label, rationale, round_=round_)

    async def _clarified(self, policy: Policy, disputes: Sequence[_Dispute], round_: int) -> Policy | None:
        """Ask for a clearer policy; None if the answer is none or says the same."""
        if not self._options.refine:
            return None
        shown = [(each.sample.text, each.sample.rationale, each.opinion.rationale) for each in disputes[:MAX_DISPUTES]]
        seed = seed_of(self._seed, "clarify", round_)
        messages = prompts.clarify(policy, shown)
        question = Question(prompts.CLARIFY, messages, seed, temperature=0.0, model=self._options.judge_model)
        answer = await self._chat.ask(question)
        new = None if answer is None else read_object(answer.text, "description")
        return None if new is None else _next_version(policy, new)


def policy_diff(old: Policy, new: Policy) -> str:
    """Return the unified diff between two versions of a policy, as YAML."""
    before, after = (each.to_source().splitlines(keepends=True) for each in (old, new))
    return "".join(difflib.unified_diff(before, after, f"{old.name} v{old.version}", f"{new.name} v{new.version}"))


def _next_version(policy: Policy, new: dict[str, object]) -> Policy | None:
    changes = {name: new.get(name, getattr(policy, name)) for name in ("description", "allowed", "disallowed")}
    try:
        clearer = Policy(**{**policy.model_dump(), **changes, "version": policy.version + 1})
    except InvalidPolicy as error:
        logger.warning("The clarified policy cannot be used and the old one stays: %s", error.reason)
        return None
    lost = [name for name in ("allowed", "disallowed") if getattr(policy, name) and not getattr(clearer, name)]
    return None if lost or clearer.fingerprint == policy.fingerprint else clearer


def _sifted(samples: Sequence[Sample], old: Policy, new: Policy) -> tuple[list[Sample], list[Control]]:
    """Split samples into those whose line still stands, and the controls of the others."""
    stay = [sample for sample in samples if _stands(sample.control, old, new)]
    return stay, [sample.control for sample in samples if not _stands(sample.control, old, new)]


def _replanned(controls: Sequence[Control], old: Policy, new: Policy) -> list[Control]:
    """Deal the lines that came in out to the controls whose line is gone."""
    planned: list[Control] = []
    for number, control in enumerate(controls):
        after = _lines(new, control)
        lines = [line for line in after if line not in _lines(old, control)] or after
        stands = _stands(control, old, new)
        planned.append(control if stands else replace(control, behaviour=lines[number % len(lines)]))
    return planned


def _stands(control: Control, old: Policy, new: Policy) -> bool:
    return control.behaviour not in _lines(old, control) or control.behaviour in _lines(new, control)


def _lines(policy: Policy, control: Control) -> tuple[str, ...]:
    return policy.disallowed if control.listed == "disallowed" else policy.allowed


def _majority(votes: Sequence[Opinion], written: int) -> Opinion | None:
    """Return the opinion of most votes; a draw counts against the label that the text was written with."""
    if not votes:
        return None
    label = max((0, 1), key=lambda side: (sum(vote.label == side for vote in votes), side != written))
    ours = [vote for vote in votes if vote.label == label]
    best = max(ours, key=lambda vote: vote.confidence)
    return best if len(votes) == 1 else replace(best, confidence=len(ours) / len(votes))
