"""A conversation: which messages are checked, as what, and together with what."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from unigurd_sdk.conversation.report import ConversationReport, Finding
from unigurd_sdk.errors import (
    CheckTimeout,
    ConfigError,
    GuardClosed,
    InferenceError,
    LimitExceeded,
    PromptBlocked,
    UnknownPolicy,
)
from unigurd_sdk.judge import Judge
from unigurd_sdk.policy import Policy
from unigurd_sdk.runtime.onnx import OnnxRuntime
from unigurd_sdk.verdict import Report, Verdict

BOMB = Policy(name="no-bombs", description="no weapons", disallowed=("bomb",))
BOTH = Policy(name="no-both", description="no food", disallowed=("bomb", "cake"))


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def tool(text):
    return {"role": "tool", "tool_call_id": "1", "content": text}


SYSTEM = {"role": "system", "content": "never say bomb"}


def indices(report, unsafe=True):
    return [finding.index for finding in report if finding.unsafe == unsafe]


# Which messages


def test_each_message_of_a_user_or_tool_has_a_finding(guard):
    report = guard.check_messages([SYSTEM, user("cake"), tool("a bomb"), user("recipe")])
    assert isinstance(report, ConversationReport)
    assert [(finding.index, finding.role, finding.unsafe) for finding in report] == [
        (1, "user", False),
        (2, "tool", True),
        (3, "user", False),
    ]
    assert report.unsafe and not report.valid
    assert report.worst.index == 2


def test_the_system_prompt_is_checked_only_if_asked_for(guard):
    assert not guard.check_messages([SYSTEM, user("cake")]).unsafe
    developer = {"role": "developer", "content": "bomb"}
    assert indices(guard.check_messages([SYSTEM, developer, user("cake")], roles=["system"])) == [0, 1]


@pytest.mark.parametrize(
    ("said", "new"),
    [
        ("uau", [2]),
        ("suauu", [3, 4]),
        ("uatt", [2, 3]),
        ("ua", [0]),
        ("uauaa", [2]),
        ("uu", [0, 1]),
    ],
)
def test_only_what_came_after_the_last_answer_is_new(guard, said, new):
    make = {"s": lambda _: SYSTEM, "u": user, "a": assistant, "t": tool}
    report = guard.check_messages([make[letter]("cake") for letter in said])
    assert [finding.index for finding in report] == new


def test_all_messages_are_checked_if_asked_for(guard):
    report = guard.check_messages([user("bomb"), assistant("bomb"), user("cake")], only_new=False)
    assert [finding.index for finding in report] == [0, 2]
    assert indices(report) == [0]


def test_an_answer_is_checked_with_what_it_answers(guard, judged):
    report = guard.check_messages([user("cake"), user("recipe"), assistant("bomb")], roles=["assistant"])
    assert indices(report) == [2]
    assert judged == [("assistant", "bomb", "recipe")]


def test_what_a_tool_returns_is_a_document(guard, judged):
    guard.check_messages([user("cake"), {"role": "function", "content": "recipe"}])
    assert {(role, text) for role, text, _ in judged} == {("user", "cake"), ("document", "recipe")}


# Together


@pytest.fixture
def pairs(load, monkeypatch):
    """A model that needs both words: 1 if a text has "bomb" and "cake", else 0."""
    import numpy as np

    guard = load()

    def score(self, segments, states):
        text_of = guard._engine.tokenizer._tokenizer.decode
        texts = [text_of(list(ids), skip_special_tokens=True) for ids in segments]
        hits = [[9.0 if "bomb" in text and "cake" in text else -9.0] * len(states) for text in texts]
        return np.array(hits, dtype=np.float32)

    monkeypatch.setattr(OnnxRuntime, "score", score)
    return guard


def test_an_attack_that_is_split_over_two_messages_is_seen(pairs):
    messages = [user("first a bomb"), assistant("yes"), user("then a cake")]
    report = pairs.check_messages(messages)
    (finding,) = report
    assert finding.unsafe and finding.together
    texts = ["first a bomb", "then a cake"]
    assert [(part.index, part.end - part.start) for part in finding.parts] == [(0, 12), (2, 11)]
    joined = "\n".join(texts)
    assert [joined[part.start : part.end] for part in finding.parts] == texts
    assert not pairs.check_messages(messages, turns=1).unsafe


def test_messages_of_other_roles_and_older_turns_are_not_taken_together(pairs):
    assert not pairs.check_messages([user("bomb"), tool("cake")]).unsafe
    assert not pairs.check_messages([user("bomb"), assistant("cake"), user("recipe")]).unsafe
    old = [user("bomb"), user("filler"), user("filler"), user("cake")]
    assert not pairs.check_messages(old).unsafe
    assert indices(pairs.check_messages(old, turns=4)) == [3]


def test_a_violation_of_an_earlier_turn_is_not_found_again(guard, pairs):
    assert not pairs.check_messages([user("bomb cake"), assistant("no"), user("recipe")]).unsafe
    first = pairs.check_messages([user("bomb"), user("cake"), user("recipe")])
    assert indices(first) == [1]


def test_an_old_violation_of_one_policy_does_not_hide_a_new_one_of_another(guard):
    messages = [user("bomb"), assistant("no"), user("cake")]
    report = guard.check_messages(messages, policies=[BOMB, BOTH])
    assert indices(report) == [2]
    assert isinstance(report.worst.verdict, Report)
    assert report.worst.verdict.worst.policy == "no-both"


def test_the_end_of_what_was_said_before_counts(pairs):
    before = "filler " * 200 + "bomb"
    report = pairs.check_messages([user(before), assistant("yes"), user("cake " + "filler " * 200)])
    (finding,) = report
    assert finding.unsafe
    part = finding.parts[0]
    assert before[part.offset :].endswith("bomb")
    assert part.end - part.start == len(before) - part.offset


@pytest.mark.parametrize("count", [1, 5, 40])
def test_a_long_conversation_costs_one_window_more_for_each_message(guard, judged, count):
    guard.check_messages([user("filler " * 500)] * count + [assistant("yes"), user("cake")])
    assert len(judged) == 2
    limit = guard.checkpoint.manifest.max_length
    assert all(len(guard._engine.tokenizer.encode(text).ids) <= limit - 4 for _, text, _ in judged)


def test_empty_messages_are_no_context(guard, judged):
    guard.check_messages([user(""), user(" "), user("cake")])
    assert [text for _, text, _ in judged] == ["", " ", "cake"]


# Messages of other libraries


def test_a_content_may_be_a_list_of_parts(guard):
    parts = [{"type": "text", "text": "a "}, {"type": "input_text", "text": "bomb"}]
    assert guard.check_messages([user(parts)]).unsafe


def test_messages_may_be_objects(guard):
    human, ai = SimpleNamespace(type="human", content="bomb"), SimpleNamespace(type="ai", content="no")
    assert guard.check_messages([human]).unsafe
    assert indices(guard.check_messages([human, ai, SimpleNamespace(type="tool", content="bomb")])) == [2]


def test_the_arguments_of_tool_calls_are_what_an_answer_says(guard):
    call = {"id": "1", "type": "function", "function": {"name": "run", "arguments": '{"what": "bomb"}'}}
    answer = {"role": "assistant", "content": None, "tool_calls": [call]}
    assert guard.check_messages([user("cake"), answer], roles=["assistant"]).unsafe


IMAGE = {"type": "image_url", "image_url": {"url": "data:..."}}


def test_parts_that_are_no_text_are_refused_or_named(guard):
    messages = [user([{"type": "text", "text": "cake"}, IMAGE])]
    with pytest.raises(ConfigError, match=r"Message 0.*'image_url'.*skip"):
        guard.check_messages(messages)
    (finding,) = guard.check_messages(messages, unreadable="skip")
    assert finding.skipped == ("image_url",)
    assert not finding.unsafe


def test_an_image_of_an_earlier_turn_does_not_matter(guard):
    report = guard.check_messages([user([IMAGE]), assistant("nice"), user("cake")])
    assert [finding.index for finding in report] == [2]


# Mistakes


@pytest.mark.parametrize(
    ("messages", "options", "message"),
    [
        ([], {}, "no messages"),
        ([{"content": "cake"}], {}, "Message 0 has the role None"),
        ([user("cake"), {"role": "robot", "content": "x"}], {}, "Message 1 has the role 'robot'"),
        ([{"role": ["user"], "content": "x"}], {}, "role"),
        ([SYSTEM], {}, "No message is to be checked"),
        ([assistant("cake")], {}, "No message is to be checked"),
        ([{"role": "user"}], {}, "Message 0 cannot be read"),
        ([user(3)], {}, "Message 0 cannot be read"),
        ([user("x")], {"roles": []}, "roles="),
        ([user("x")], {"roles": "user"}, "roles="),
        ([user("x")], {"roles": ["users"]}, "'users'"),
        ([user("x")], {"turns": 0}, "turns"),
        ([user("x")], {"unreadable": "ignore"}, "unreadable"),
        ([user("x")], {"timeout": -1}, "timeout"),
        ([user("x")], {"policy": "no-bombs", "policies": ["tax"]}, "not both"),
    ],
)
def test_mistakes_of_the_caller_are_raised(load, messages, options, message):
    with pytest.raises(ConfigError, match=message):
        load(on_error="allow").check_messages(messages, **options)


@pytest.mark.parametrize("messages", ["hello", {"role": "user", "content": "x"}, None, 3])
def test_what_is_no_list_of_messages_is_refused(guard, messages):
    with pytest.raises(TypeError, match="list of messages"):
        guard.check_messages(messages)


def test_an_unknown_policy_is_refused(guard):
    with pytest.raises(UnknownPolicy):
        guard.check_messages([user("x")], "no-such-policy")


# The answer


def test_a_report_can_be_raised_printed_and_not_be_taken_for_a_truth_value(guard):
    report = guard.check_messages([user("bomb")])
    with pytest.raises(PromptBlocked) as caught:
        report.raise_if_unsafe()
    assert caught.value.verdict == report.worst.verdict
    with pytest.raises(TypeError, match="unsafe"):
        bool(report)
    with pytest.raises(TypeError, match="unsafe"):
        bool(report.worst)
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["unsafe"] and plain["worst"] == 0
    assert plain["findings"][0]["parts"] == [{"index": 0, "start": 0, "end": 4, "offset": 0}]
    guard.check_messages([user("cake")]).raise_if_unsafe()


def test_a_report_that_checked_nothing_cannot_be_made():
    with pytest.raises(ConfigError, match="nothing checked"):
        ConversationReport(())


def test_offsets_are_those_of_the_message(guard):
    text = "filler " * 100 + "bomb"
    (finding,) = guard.check_messages([user(text)])
    assert isinstance(finding, Finding) and isinstance(finding.verdict, Verdict)
    window = finding.verdict.windows[0]
    assert "bomb" in text[window.start : window.end]


def test_acheck_messages_answers_as_check_messages(guard):
    messages = [user("cake"), tool("bomb")]
    report = asyncio.run(guard.acheck_messages(messages))
    assert indices(report) == indices(guard.check_messages(messages)) == [1]


# Failing closed


def test_a_failed_check_is_unsafe_or_an_error(load, monkeypatch):
    def fail(*args):
        raise ValueError("broken")

    monkeypatch.setattr(OnnxRuntime, "score", fail)
    messages = [user("cake"), tool("recipe"), user("filler")]
    with pytest.raises(InferenceError):
        load().check_messages(messages)
    assert indices(load(on_error="block").check_messages(messages)) == [0, 1, 2]
    allowed = load(on_error="allow").check_messages(messages)
    assert indices(allowed) == []
    assert {finding.verdict.decided_by for finding in allowed} == {"on_error=allow"}


def test_a_message_over_the_limit_blocks_itself(load):
    messages = [user("cake"), tool("b" * 99)]
    with pytest.raises(LimitExceeded):
        load(max_bytes=50).check_messages(messages)
    assert indices(load(max_bytes=50, on_error="block").check_messages(messages)) == [1]


def test_a_message_over_the_limit_is_not_tokenised_first(load, monkeypatch):
    longest = 0
    offsets = Judge.offsets

    def record(self, text):
        nonlocal longest
        longest = max(longest, len(text))
        return offsets(self, text)

    monkeypatch.setattr(Judge, "offsets", record)
    with pytest.raises(LimitExceeded):
        load(max_bytes=2000).check_messages([user("cake " * 100_000), user("recipe " * 100_000)])
    assert 0 < longest < 2000


def test_a_check_that_takes_too_long_fails(load, monkeypatch):
    import threading

    release = threading.Event()
    monkeypatch.setattr(OnnxRuntime, "score", lambda *args: release.wait(30))
    with pytest.raises(CheckTimeout):
        load().check_messages([user("cake")], timeout=0.05)
    assert load(on_error="block").check_messages([user("cake")], timeout=0.05).unsafe
    release.set()


def test_a_closed_guard_checks_nothing(guard):
    guard.close()
    with pytest.raises(GuardClosed):
        guard.check_messages([user("cake")])
