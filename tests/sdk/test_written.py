"""The text of messages, answers and chunks, whichever library they come from."""

from __future__ import annotations

from types import SimpleNamespace as Thing

import pytest

from unigurd_sdk.errors import ConfigError
from unigurd_sdk.written import Unread, text_of


def chunk(**delta):
    return Thing(choices=[Thing(index=0, delta=Thing(**delta))])


def call(arguments):
    return Thing(index=0, id="1", type="function", function=Thing(name="f", arguments=arguments))


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ("as it is", "as it is"),
        ("", ""),
        (chunk(content="hello"), "hello"),
        (chunk(content=None, role="assistant"), ""),
        (chunk(content=None, refusal="I will not"), "I will not"),
        (chunk(content=None, reasoning_content="let me think"), "let me think"),
        (chunk(content=None, tool_calls=[call('{"a":'), call("1}")]), '{"a":1}'),
        (chunk(content=None, function_call=Thing(name="f", arguments="{}")), "{}"),
        (Thing(choices=[]), ""),
        (Thing(choices=[Thing(index=0, text="completion")]), "completion"),
        (Thing(choices=[Thing(index=0, message=Thing(content="answer"))]), "answer"),
        ({"choices": [{"index": 0, "delta": {"content": "dict"}}]}, "dict"),
        ({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "input_text", "text": "b"}]}, "ab"),
        ({"role": "user", "content": ["a", "b"]}, "ab"),
        (Thing(type="response.output_text.delta", delta="event"), "event"),
        (Thing(type="response.function_call_arguments.delta", delta='{"a"'), '{"a"'),
        (Thing(type="response.output_text.done", text="all of it again"), ""),
        (Thing(type="response.completed", response=Thing()), ""),
        (Thing(type="AIMessageChunk", content="lang", tool_call_chunks=[]), "lang"),
        (Thing(type="AIMessageChunk", content="", tool_call_chunks=[{"name": "f", "args": '{"a"'}]), '{"a"'),
        (Thing(type="ai", content="", tool_calls=[{"name": "f", "args": {"a": "é"}}]), '{"a": "é"}'),
        (Thing(content=[{"type": "text", "text": "a"}, {"type": "thinking", "thinking": "b"}]), "ab"),
        (Thing(content=[{"type": "input_json_delta", "partial_json": "{"}]), "{"),
        (Thing(content=[{"type": "tool_use", "id": "1", "name": "f"}]), ""),
        (Thing(content=[Thing(type="text", text="object")]), "object"),
        ({"content": [{"type": "tool_result", "content": [{"type": "text", "text": "inner"}]}]}, "inner"),
        (chunk(content=None, audio={"id": "1", "transcript": "spoken"}), "spoken"),
    ],
)
def test_all_that_is_said_is_read(item, text):
    assert text_of(item) == text


@pytest.mark.parametrize("item", [None, 3, object(), [], ["a"], {}, {"words": "a"}, b"a", Thing(text="a")])
def test_what_is_not_known_is_refused_and_says_what_to_do(item):
    with pytest.raises(ConfigError, match=f"type {type(item).__name__}.*text="):
        text_of(item)


@pytest.mark.parametrize(
    "choices", [[Thing(index=0, delta=Thing(content="a"))] * 2, [Thing(index=1, delta=Thing(content="a"))]]
)
def test_several_answers_at_once_are_refused(choices):
    with pytest.raises(ConfigError, match="several answers"):
        text_of(Thing(choices=choices))


@pytest.mark.parametrize(
    ("content", "kind"),
    [([{"type": "image_url", "image_url": {}}], "image_url"), ([{"type": "audio"}], "audio"), ([3], "int")],
)
def test_a_part_without_text_is_refused_or_named(content, kind):
    with pytest.raises(ConfigError, match=kind):
        text_of({"content": content})
    unread = Unread()
    assert text_of({"content": ["a", *content]}, unread) == "a"
    assert unread.types == [kind]


@pytest.mark.parametrize("content", [3, {"text": "a"}, b"a"])
def test_a_content_of_another_kind_is_refused(content):
    with pytest.raises(ConfigError, match="a str or a list of parts"):
        text_of({"content": content})
