"""A guarded stream: nothing leaves before it was judged, everything leaves if it is safe."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unigurd_sdk.engine import Engine
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
from unigurd_sdk.runtime.onnx import OnnxRuntime
from unigurd_sdk.verdict import Report, Verdict

HOLD = 8
UNSAFE = "filler " * 40 + "bomb" + " filler" * 40
SHARED = settings(  # the fixtures keep nothing between examples
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
WORDS = ["cake", "recipe", "filler", "zzz", "ab", "\n", " ", "e\u0301", "\U0001f44b\U0001f3fd", "\ud83d", "\u200b", ""]

texts = st.lists(st.sampled_from(WORDS), max_size=80).map(" ".join)
places = st.lists(st.integers(0, 10_000), max_size=60)
hold_backs = st.integers(4, 12)


def cut(text, at):
    """Cut a text at places modulo its length; a place that comes twice gives an empty chunk."""
    at = sorted(place % (len(text) + 1) for place in at)
    return [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]


def collect(stream):
    """Return what left, and the error that ended it."""
    out = []
    try:
        for chunk in stream:
            out.append(chunk)
    except PromptBlocked as error:
        return out, error
    return out, None


# What leaves


@SHARED
@given(text=texts, at=places, hold_back=hold_backs)
def test_a_safe_text_leaves_whole_however_it_is_cut(guard, text, at, hold_back):
    out, error = collect(guard.stream(cut(text, at), hold_back=hold_back))
    assert error is None
    assert "".join(out) == text


@SHARED
@given(before=texts, after=texts, at=places, hold_back=hold_backs)
def test_of_an_unsafe_text_only_what_stands_before_the_violation_leaves(guard, before, after, at, hold_back):
    text = f"{before} bomb {after}"
    stream = guard.stream(cut(text, at), hold_back=hold_back)
    out, error = collect(stream)
    assert error is not None
    assert stream.stopped
    assert f"{before} ".startswith("".join(out))


@SHARED
@given(text=texts.filter(lambda text: "\ud83d" not in text), at=places, hold_back=hold_backs)
def test_no_character_leaves_before_a_text_with_it_was_judged(guard, text, at, hold_back):
    came = judged = left = 0

    def source():
        nonlocal came
        for chunk in cut(text, at):
            came += len(chunk)
            yield chunk

    def record(self, asked, prompts, request):
        nonlocal judged
        start = text[:came].rfind(asked[0], 0, left + len(asked[0]))
        assert 0 <= start <= left  # nothing that is held is left out
        judged = start + len(asked[0])
        return answer(self, asked, prompts, request)

    answer = Engine.answer
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "answer", record)
        for chunk in guard.stream(source(), hold_back=hold_back):
            left += len(chunk)
            assert left <= judged
    assert left == len(text)


@pytest.mark.parametrize("size", [1, 3, 7, 50, 10_000])
def test_a_violation_is_found_wherever_it_stands(guard, size):
    for position in range(0, 120, 7):
        words = ["filler"] * 120
        words[position] = "bomb"
        text = " ".join(words)
        out, error = collect(guard.stream((text[i : i + size] for i in range(0, len(text), size)), hold_back=HOLD))
        assert error is not None
        assert text.partition("bomb")[0].startswith("".join(out))


def test_what_is_seen_within_the_margin_is_seen_before_it_begins_to_leave(guard):
    stream = guard.stream(["filler " * 30, "b", "o", "m", "b"], hold_back=HOLD)
    out, error = collect(stream)
    assert error is not None
    assert "b" not in "".join(out)


def test_a_long_chunk_leaves_in_parts(guard):
    stream = guard.stream(["filler " * 100, "cake"], hold_back=HOLD)
    first = next(stream)
    assert "filler " * 97 < first < "filler " * 100
    assert first + "".join(stream) == "filler " * 100 + "cake"


@pytest.mark.parametrize("mark", ["\u0301", "\U0001f3fd", "\ufe0f", "\u200d\U0001f467", "\udc4b"])
def test_a_part_does_not_end_inside_a_character(guard, mark):
    for length in range(90, 100):
        out, _ = collect(guard.stream(["x" * length + f"x{mark}" * 12, "filler"], hold_back=HOLD))
        assert not any(part.startswith(mark) for part in out)


def test_halves_of_a_surrogate_pair_are_judged_as_one_character(guard, judged):
    out, _ = collect(guard.stream(["a \ud83d", "\udc4b cake"], hold_back=HOLD))
    assert out == ["a \ud83d", "\udc4b cake"]
    assert judged == ["a \U0001f44b cake"]


def test_blanks_and_invisible_characters_are_not_held_for_ever(guard):
    left = 0
    stream = guard.stream((came for came in [" \u200b" * 50] * 40), hold_back=HOLD)
    for number, chunk in enumerate(stream):
        left += len(chunk)
        assert number > 40 or left > 0
    assert left == 4000


# How much is read


@pytest.mark.parametrize("size", [1, 4, 7, 23, 100, 1000, 100_000])
@pytest.mark.parametrize("hold_back", [4, 8, 12])
def test_all_judgements_together_read_at_most_three_times_the_text(guard, size, hold_back):
    for length in (3, 11, 40):
        text = "filler cake recipe query . " * length
        stream = guard.stream((text[i : i + size] for i in range(0, len(text), size)), hold_back=hold_back)
        assert "".join(stream) == text
        assert stream.tokens <= 3 * guard.check(text).tokens.total


def test_little_is_held(guard):
    came = left = 0

    def source():
        nonlocal came
        for _ in range(500):
            came += 1
            yield "filler "

    for chunk in guard.stream(source(), hold_back=HOLD):
        left += len(chunk) // len("filler ")
        assert came - left <= HOLD
    assert left == came == 500


def test_a_judgement_has_the_text_before_as_its_context(guard, judged):
    collect(guard.stream(["filler "] * 100, hold_back=HOLD))
    assert [len(text.split()) for text in judged[:4]] == [3, 6, 12, 16]
    assert {len(text.split()) for text in judged[4:-1]} == {16}


# What ends it


def test_a_violation_is_an_error_with_the_verdict_and_offsets_in_the_whole_stream(guard):
    stream = guard.stream(UNSAFE.split(" "), hold_back=HOLD, text=lambda word: word + " ")
    _, error = collect(stream)
    assert error is not None and isinstance(error.verdict, Verdict)
    assert "filler" not in str(error)
    window = error.verdict.windows[0]
    assert "bomb" in UNSAFE[window.start : window.end]
    assert stream.verdict == error.verdict


def test_several_policies_give_a_report(guard):
    for options in ({"policies": ["no-bombs", "tax"]}, {"policy": ["no-bombs", "tax"]}):
        _, error = collect(guard.stream([UNSAFE], **options))
        assert error is not None and isinstance(error.verdict, Report)
        assert error.verdict.worst.policy == "no-bombs"


def test_a_replacement_takes_the_place_of_what_is_held(guard):
    stream = guard.stream(["filler " * 20, "a bomb", " and more"], replacement="[removed]", hold_back=HOLD)
    out = list(stream)
    assert out[-1] == "[removed]"
    assert "bomb" not in "".join(out)
    assert stream.stopped and stream.verdict is not None and stream.verdict.unsafe
    assert list(guard.stream(["bomb"], replacement="")) == [""]


def test_a_violation_closes_the_source(guard):
    closed = []

    def source():
        try:
            while True:
                yield "bomb "
        finally:
            closed.append(True)

    assert collect(guard.stream(source()))[1] is not None
    assert closed == [True]


def test_closing_drops_what_is_held_and_closes_the_source(guard, judged):
    closed = []

    def source():
        try:
            yield from ["filler "] * 100
        finally:
            closed.append(True)

    with guard.stream(source(), hold_back=HOLD) as stream:
        next(stream)
        count = len(judged)
    assert closed == [True]
    assert list(stream) == []
    assert len(judged) == count


def test_a_stream_that_was_never_begun_closes_its_source_too(guard):
    source = (chunk for chunk in ["cake"])
    guard.stream(source).close()
    assert list(source) == []


def test_what_came_before_the_source_failed_is_judged_and_leaves_before_the_error(guard):
    def source(last):
        yield from ["filler "] * 5
        yield last
        raise ConnectionError("gone")

    out = []
    stream = guard.stream(source("cake"), hold_back=12)
    with pytest.raises(ConnectionError):
        for chunk in stream:
            out.append(chunk)
    assert "".join(out) == "filler " * 5 + "cake"
    with pytest.raises(PromptBlocked):
        list(guard.stream(source("bomb"), hold_back=12))


@pytest.mark.parametrize("chunks", [[], [""], ["", ""]])
def test_an_empty_stream_is_empty(guard, judged, chunks):
    stream = guard.stream(chunks)
    assert list(stream) == chunks
    assert stream.verdict is None
    assert judged == []


# Chunks of other libraries


def openai_chunk(text=None, **fields):
    delta = SimpleNamespace(content=text, **fields)
    return SimpleNamespace(choices=[SimpleNamespace(index=0, delta=delta)])


def test_chunks_of_a_library_leave_as_they_came(guard):
    chunks = [openai_chunk(role="assistant"), *(openai_chunk("cake ") for _ in range(50)), openai_chunk()]
    out = list(guard.stream(chunks, hold_back=HOLD))
    assert len(out) == len(chunks)
    assert all(left is came for left, came in zip(out, chunks, strict=True))


def test_chunks_without_text_do_not_overtake_and_do_not_wait(guard):
    first, last = openai_chunk(role="assistant"), openai_chunk()
    stream = guard.stream([first, openai_chunk("a "), openai_chunk("bomb"), last])
    assert next(stream) is first
    assert collect(stream)[0] == []


def test_the_arguments_of_a_tool_call_are_judged(guard):
    call = SimpleNamespace(function=SimpleNamespace(name="run", arguments='{"what": "bomb"}'))
    assert collect(guard.stream([openai_chunk(tool_calls=[call])]))[1] is not None


def test_text_says_what_a_chunk_says(guard):
    chunks = [{"words": "filler"}, {"words": " bomb"}]
    assert collect(guard.stream(chunks, text=lambda chunk: chunk["words"]))[1] is not None
    with pytest.raises(ConfigError, match="text="):
        list(guard.stream(chunks))
    with pytest.raises(TypeError, match="NoneType"):
        list(guard.stream(chunks, text=lambda chunk: None))


# The prompt


def test_the_prompt_is_context_and_only_its_end_is_used(guard, monkeypatch):
    prompts = []
    answer = Engine.answer

    def record(self, texts, asked, request):
        prompts.extend(asked)
        return answer(self, texts, asked, request)

    monkeypatch.setattr(Engine, "answer", record)
    list(guard.stream(["cake"], prompt="bomb " * 50 + "zzz filler", hold_back=4))
    assert prompts == ["zzz filler"]


# Failing closed


def test_a_chunk_or_prompt_over_the_limit_is_not_tokenised_first(load, monkeypatch):
    guard = load(max_bytes=2000)
    longest = 0
    offsets = Judge.offsets

    def record(self, text):
        nonlocal longest
        longest = max(longest, len(text))
        return offsets(self, text)

    monkeypatch.setattr(Judge, "offsets", record)
    with pytest.raises(LimitExceeded):
        list(guard.stream(["cake " * 100_000], prompt="recipe " * 100_000, hold_back=4))
    assert longest < 2000


def broken(*args, **options):
    raise ValueError("broken")


def test_a_failed_judgement_ends_the_stream(load, monkeypatch):
    monkeypatch.setattr(OnnxRuntime, "score", broken)
    with pytest.raises(InferenceError):
        list(load().stream(["cake"]))
    assert collect(load(on_error="block").stream(["cake"]))[0] == []


def test_a_failed_judgement_lets_the_stream_go_on_only_if_asked_to_and_that_is_recorded(load, monkeypatch):
    monkeypatch.setattr(OnnxRuntime, "score", broken)
    stream = load(on_error="allow").stream(["cake"])
    assert list(stream) == ["cake"]
    assert isinstance(stream.verdict, Verdict)
    assert stream.verdict.decided_by == "on_error=allow"


def test_a_model_that_cannot_be_loaded_blocks(load, monkeypatch):
    monkeypatch.setattr("unigurd_sdk.engine.create", broken)
    assert collect(load(on_error="block").stream(["cake"] * 100))[0] == []
    with pytest.raises(InferenceError):
        list(load().stream(["cake"]))


def test_a_judgement_that_takes_too_long_ends_the_stream(load, monkeypatch):
    release = threading.Event()
    score = OnnxRuntime.score
    monkeypatch.setattr(OnnxRuntime, "score", lambda *args: release.wait(30) and score(*args))
    with pytest.raises(CheckTimeout):
        list(load().stream(["cake"], timeout=0.05))
    assert collect(load(on_error="block").stream(["cake"], timeout=0.05))[0] == []
    release.set()


def test_a_closed_guard_streams_nothing(guard):
    guard.close()
    with pytest.raises(GuardClosed):
        list(guard.stream(["cake"]))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"policy": "no-such-policy"}, UnknownPolicy),
        ({"policy": "tax", "policies": ["tax"]}, ConfigError),
        ({"policy": ["tax"], "policies": ["tax"]}, ConfigError),
        ({"role": "system"}, ConfigError),
        ({"role": "user", "prompt": "hello"}, ConfigError),
        ({"threshold": 2}, ConfigError),
        ({"hold_back": 3}, ConfigError),
        ({"hold_back": 13}, ConfigError),
        ({"hold_back": 8, "prompt": "hello"}, ConfigError),
        ({"max_delay_ms": 0}, ConfigError),
        ({"timeout": 0}, ConfigError),
        ({"prompt": b"hello", "hold_back": 4}, TypeError),
    ],
)
def test_mistakes_of_the_caller_are_raised_before_anything_is_read(guard, options, error):
    with pytest.raises(error):
        guard.stream(iter(["cake"]), **options)


@pytest.mark.parametrize("chunks", ["a whole text", None, 3])
def test_what_is_no_source_of_chunks_is_refused(guard, chunks):
    with pytest.raises(TypeError, match="chunks"):
        guard.stream(chunks, hold_back=HOLD)


# Asynchronous streams


@settings(SHARED, max_examples=20)
@given(text=texts, at=places)
def test_an_asynchronous_stream_gives_out_what_a_synchronous_one_does(guard, text, at):
    chunks = cut(text, at)

    async def source():
        for chunk in chunks:
            await asyncio.sleep(0)
            yield chunk

    async def collected():
        return [chunk async for chunk in guard.stream(source(), hold_back=HOLD)]

    assert asyncio.run(collected()) == list(guard.stream(chunks, hold_back=HOLD))
