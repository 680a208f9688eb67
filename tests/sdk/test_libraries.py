"""Objects of real libraries: what the `openai` client streams from a server, and what LangChain's models say."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from unigurd_sdk.errors import ConfigError, PromptBlocked
from unigurd_sdk.guard import Guard
from unigurd_sdk.policy import Policy

openai = pytest.importorskip("openai")
pytest.importorskip("langchain_core")

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel  # noqa: E402
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage  # noqa: E402

BOMB = Policy(name="no-bombs", description="no weapons", disallowed=("bomb",))
SAFE, UNSAFE = "cake filler cake filler cake", "cake filler bomb filler cake"


class Server(ThreadingHTTPServer):
    """Speaks the streaming protocols of chat completions and of responses; the last message says what to answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        events = completion(asked) if self.path.endswith("/chat/completions") else response(asked)
        for event in events:
            name = f"event: {event['type']}\n" if "type" in event else ""
            self.wfile.write(f"{name}data: {json.dumps(event)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *args: Any) -> None:
        pass


def completion(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    text, tool = asked["messages"][-1]["content"], asked.get("tools")
    call = {"index": 0, "id": "1", "type": "function", "function": {"name": "bake", "arguments": ""}}
    yield chunk({"role": "assistant", "content": ""} | ({"tool_calls": [call]} if tool else {}))
    for word in text.split():
        said = (
            {"tool_calls": [{"index": 0, "function": {"arguments": word + " "}}]} if tool else {"content": word + " "}
        )
        yield chunk(said)
    yield chunk({}, finish_reason="stop")
    yield {**chunk({}), "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}


def chunk(delta: dict[str, Any], **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": None} | fields
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "local", "choices": [choice]}


def response(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    body = {"id": "r", "object": "response", "created_at": 1, "model": "local", "output": [], "status": "in_progress"}
    body |= {"parallel_tool_calls": False, "tool_choice": "auto", "tools": []}
    yield {"type": "response.created", "sequence_number": 0, "response": body}
    place = {"item_id": "m", "output_index": 0, "content_index": 0, "logprobs": []}
    for number, word in enumerate(asked["input"].split(), start=1):
        yield {"type": "response.output_text.delta", "sequence_number": number, "delta": word + " ", **place}
    yield {"type": "response.completed", "sequence_number": 99, "response": body | {"status": "completed"}}


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def where(server):
    return {"base_url": f"http://127.0.0.1:{server.server_port}/v1", "api_key": "none", "max_retries": 0}


@pytest.fixture(scope="module")
def guard(keyword_checkpoint):
    with Guard.from_pretrained(keyword_checkpoint, threads=1) as guard:
        yield guard


def ask(client, text, **options):
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(model="local", messages=messages, stream=True, **options)


def content(chunks):
    return "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)


def test_a_completion_of_the_openai_client_is_streamed_whole_when_safe(guard, where):
    with openai.OpenAI(**where) as client:
        out = list(guard.stream(ask(client, SAFE), BOMB))
    assert content(out) == SAFE + " "
    assert out[-1].usage.total_tokens == 2


def test_a_completion_of_the_openai_client_ends_at_a_violation(guard, where):
    given = []
    with openai.OpenAI(**where) as client, pytest.raises(PromptBlocked):
        for each in guard.stream(ask(client, "cake " * 20 + UNSAFE), BOMB, hold_back=4):
            given.append(each)
    assert content(given)
    assert "bomb" not in content(given)


def test_the_arguments_of_a_call_that_the_openai_client_streams_are_judged(guard, where):
    tool = {"type": "function", "function": {"name": "bake", "parameters": {"type": "object", "properties": {}}}}
    with openai.OpenAI(**where) as client:
        assert len(list(guard.stream(ask(client, SAFE, tools=[tool]), BOMB))) == 8
        with pytest.raises(PromptBlocked):
            list(guard.stream(ask(client, UNSAFE, tools=[tool]), BOMB))


def test_events_of_the_responses_api_are_judged(guard, where):
    with openai.OpenAI(**where) as client:
        out = list(guard.stream(client.responses.create(model="local", input=SAFE, stream=True), BOMB))
        assert out[0].type == "response.created"
        assert out[-1].type == "response.completed"
        assert "".join(each.delta for each in out if each.type == "response.output_text.delta") == SAFE + " "
        with pytest.raises(PromptBlocked):
            list(guard.stream(client.responses.create(model="local", input=UNSAFE, stream=True), BOMB))


def test_an_asynchronous_completion_of_the_openai_client(guard, where):
    async def run(text):
        async with openai.AsyncOpenAI(**where) as client:
            return [each async for each in guard.stream(await ask(client, text), BOMB)]

    assert content(asyncio.run(run(SAFE))) == SAFE + " "
    with pytest.raises(PromptBlocked):
        asyncio.run(run(UNSAFE))


def test_several_answers_at_once_are_refused(guard, where, monkeypatch):
    monkeypatch.setitem(globals(), "completion", lambda asked: [chunk({"content": "cake"}, index=1)])
    with openai.OpenAI(**where) as client, pytest.raises(ConfigError, match="n > 1"):
        list(guard.stream(ask(client, SAFE), BOMB))


def model(text):
    return GenericFakeChatModel(messages=iter([AIMessage(text)]))


def test_chunks_of_a_langchain_model_are_judged(guard):
    out = list(guard.stream(model(SAFE).stream("?"), BOMB))
    assert "".join(each.text for each in out) == SAFE
    with pytest.raises(PromptBlocked):
        list(guard.stream(model(UNSAFE).stream("?"), BOMB))


def test_chunks_of_an_asynchronous_langchain_model_are_judged(guard):
    async def run(text):
        return [each async for each in guard.stream(model(text).astream("?"), BOMB)]

    assert "".join(each.text for each in asyncio.run(run(SAFE))) == SAFE
    with pytest.raises(PromptBlocked):
        asyncio.run(run(UNSAFE))


def test_messages_of_langchain_are_a_conversation(guard):
    turns = [SystemMessage("bomb"), HumanMessage("cake"), AIMessage("filler"), HumanMessage("filler")]
    assert guard.check_messages(turns, BOMB).unsafe is False
    assert guard.check_messages([*turns, HumanMessage("a bomb")], BOMB).unsafe
    assert guard.check_messages([*turns, ToolMessage("bomb", tool_call_id="1")], BOMB).unsafe
    parts = HumanMessage([{"type": "text", "text": "cake"}, {"type": "image_url", "image_url": {"url": "data:,"}}])
    with pytest.raises(ConfigError, match="image_url"):
        guard.check_messages([parts], BOMB)


def test_the_answer_of_the_openai_client_is_a_message(guard):
    from openai.types.chat import ChatCompletionMessage

    answers = [ChatCompletionMessage(role="assistant", content=text) for text in (SAFE, UNSAFE)]
    asked = {"role": "user", "content": "cake"}
    reports = [guard.check_messages([asked, answer], BOMB, roles=("assistant",)) for answer in answers]
    assert [report.unsafe for report in reports] == [False, True]
