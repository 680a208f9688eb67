"""The methods `Guard.check_messages` and `Guard.acheck_messages`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from unigurd_sdk.conversation.messages import (
    CHECKED_ROLES,
    Message,
    MessageRole,
    Unreadable,
    checked_roles,
    first_new,
    read,
    roles_of,
)
from unigurd_sdk.conversation.report import ConversationReport, Finding
from unigurd_sdk.conversation.turns import Turn, alone, together
from unigurd_sdk.errors import ConfigError
from unigurd_sdk.judge import Answer, Judge, Judging, Policies, worst
from unigurd_sdk.request import PolicyLike
from unigurd_sdk.timed import aside
from unigurd_sdk.verdict import Report


class Conversations(Judging):
    """The part of a guard that checks conversations."""

    def check_messages(
        self,
        messages: Sequence[object],
        policy: Policies | None = None,
        *,
        policies: Iterable[PolicyLike] | None = None,
        roles: Collection[str] = CHECKED_ROLES,
        only_new: bool = True,
        turns: int = 3,
        unreadable: Unreadable = "raise",
        threshold: float | None = None,
        timeout: float | None = None,
    ) -> ConversationReport:
        """Check the messages of a conversation, each alone and together with those before it.

        What a tool returns is checked as a document. An assistant's message is checked as the answer to the user's
        last one. A violation of earlier messages is not found again in the ones after them.

        Args:
            messages: Messages as OpenAI or LangChain have them, or dicts with ``role`` and ``content``: a str, or a
                list of parts with ``text``.
            policy: What to check against, as in `check`; or a list, as `policies`.
            policies: Several policies at once.
            roles: Whose messages are checked: "user", "tool", "assistant", "system".
            only_new: Check only what came after the last answer; the messages before are context.
            turns: How many messages of one role, at most, are judged together: the message and those before it; 1
                judges each alone.
            unreadable: What to do with parts that are no text: "raise", or "skip" and say so in the finding.
            threshold: Score from which a text is unsafe; by default the checkpoint's for the policy.
            timeout: Seconds that the check may take.

        Raises:
            ConfigError, PolicyError, TypeError: The call is wrong, a message cannot be read, or none is to be
                checked.
            UnigurdError: The check failed and `on_error` of the guard is "raise".
        """
        judge = self._judge(policy, policies, threshold=threshold, timeout=timeout)
        return check_conversation(judge, messages, roles=roles, only_new=only_new, turns=turns, unreadable=unreadable)

    async def acheck_messages(
        self,
        messages: Sequence[object],
        policy: Policies | None = None,
        *,
        policies: Iterable[PolicyLike] | None = None,
        roles: Collection[str] = CHECKED_ROLES,
        only_new: bool = True,
        turns: int = 3,
        unreadable: Unreadable = "raise",
        threshold: float | None = None,
        timeout: float | None = None,
    ) -> ConversationReport:
        """Check a conversation in a worker thread, as `check_messages` does, without blocking the event loop."""
        judge = self._judge(policy, policies, threshold=threshold, timeout=timeout)
        options: dict[str, Any] = {"roles": roles, "only_new": only_new, "turns": turns, "unreadable": unreadable}
        return await aside(partial(check_conversation, judge, messages, **options))


def check_conversation(
    judge: Judge,
    messages: Sequence[object],
    *,
    roles: Collection[str] = CHECKED_ROLES,
    only_new: bool = True,
    turns: int = 3,
    unreadable: Unreadable = "raise",
) -> ConversationReport:
    """Check a conversation by `judge`; see `Conversations.check_messages`."""
    if turns < 1:
        raise ConfigError(f"turns must be at least 1, not {turns}.")
    wanted, said = checked_roles(roles), roles_of(messages)
    start = first_new(said) if only_new else 0
    chosen = [index for index in range(start, len(said)) if said[index] in wanted]
    if not chosen:
        raise ConfigError(
            "No message is to be checked, and nothing checked is not safe. "
            f"The roles are {', '.join(said[start:])}; see roles= and only_new=."
        )
    reader = _Reader(messages, said, unreadable)
    asked = [turn for index in chosen for turn in reader.turns(judge, index, turns)]
    return ConversationReport(tuple(_findings(asked, _answers(judge, asked), judge)))


class _Reader:
    """Reads the messages that are needed, each once."""

    def __init__(self, messages: Sequence[object], roles: Sequence[MessageRole], unreadable: Unreadable) -> None:
        self._messages = messages
        self._roles = roles
        self._unreadable = unreadable
        self._read: dict[int, Message] = {}

    def turns(self, judge: Judge, index: int, turns: int) -> Iterator[Turn]:
        """Give the texts to judge about one message."""
        message = self._message(index, self._unreadable)
        prompt = self._prompt(index) if message.role == "assistant" else None
        yield alone(message, prompt)
        same = [at for at in range(index) if self._roles[at] == message.role]
        before = [self._message(at) for at in same[max(0, len(same) - turns + 1) :]] if turns > 1 else []
        joined = together(judge, message, before, prompt)
        if joined is not None:
            yield joined

    def _message(self, index: int, unreadable: Unreadable = "skip") -> Message:
        """Read a message; in one that is context only, what is no text is left out."""
        if index not in self._read:
            self._read[index] = read(self._messages, self._roles, index, unreadable)
        return self._read[index]

    def _prompt(self, index: int) -> str | None:
        """Return what the user said last before an answer."""
        asked = [at for at in range(index) if self._roles[at] == "user"]
        return self._message(asked[-1]).text if asked else None


def _answers(judge: Judge, turns: Sequence[Turn]) -> list[Answer]:
    """Judge texts, all of a role in one call; answers come in the order of the texts."""
    order = sorted(range(len(turns)), key=lambda at: turns[at].message.text_role)
    answers: dict[int, Answer] = {}
    for role, group in groupby(order, key=lambda at: turns[at].message.text_role):
        places = list(group)
        texts, prompts = [turns[at].text for at in places], [turns[at].prompt for at in places]
        answers.update(zip(places, judge.of_role(role).check_batch(texts, prompts), strict=True))
    return [answers[at] for at in range(len(turns))]


def _findings(turns: Sequence[Turn], answers: Sequence[Answer], judge: Judge) -> Iterator[Finding]:
    """Give one finding for each message: about it alone, unless only with those before it is it unsafe."""
    pairs = zip(turns, answers, strict=True)
    for _, group in groupby(pairs, key=lambda pair: pair[0].message.index):
        (turn, answer), *joined = group
        for other, together_answer in joined:
            if not answer.unsafe and together_answer.unsafe and _is_new(judge, other, together_answer):
                turn, answer = other, together_answer
        yield Finding(turn.message.index, turn.message.role, answer, turn.parts, turn.message.skipped)


def _is_new(judge: Judge, turn: Turn, answer: Answer) -> bool:
    """Say whether a violation needs the message: of some policy, what stands before it is no violation."""
    if worst(answer).error is not None:
        return True
    before = judge.of_role(turn.message.text_role).check(turn.text[: turn.before], turn.prompt)
    return bool(_violated(answer) - _violated(before))


def _violated(answer: Answer) -> set[str]:
    verdicts = answer.verdicts if isinstance(answer, Report) else (answer,)
    return {verdict.policy for verdict in verdicts if verdict.unsafe}
