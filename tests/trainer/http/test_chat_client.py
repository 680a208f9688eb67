"""The client against a real server: patient with what passes, clear about what does not."""

from __future__ import annotations

import asyncio
import email.utils
import logging
import socket
import time

import pytest
from pydantic import ValidationError

from unigurd_sdk.errors import MissingExtra
from unigurd_trainer.http.chat import ChatClient
from unigurd_trainer.http.dialect import Ask
from unigurd_trainer.http.errors import EndpointError, RequestRejected
from unigurd_trainer.http.options import EndpointOptions

ASK = Ask([{"role": "system", "content": "You edit"}, {"role": "user", "content": "Hi"}], "policy", {}, "tiny")


@pytest.fixture
def make(llm):
    def make(**changes):
        return EndpointOptions(**{"endpoint": llm.url, "model": "tiny", "backoff": 0.001, **changes})

    return make


async def complete(options, ask=ASK):
    async with ChatClient(options) as client:
        return await client.complete(ask), client


async def test_an_answer_with_its_usage(llm, fake, make):
    llm.script = [fake.chat("hello", usage=(11, 7))]
    answer, _ = await complete(make(price_input=2.0, price_output=10.0))
    assert (answer.text, answer.prompt_tokens, answer.completion_tokens, answer.estimated) == ("hello", 11, 7, False)
    assert make(price_input=2.0, price_output=10.0).cost(answer) == pytest.approx((11 * 2 + 7 * 10) / 1e6)
    assert llm.calls[0].path == "/v1/chat/completions"


@pytest.mark.parametrize("tail", ["", "/", "/chat/completions", "?api-version=1", "/chat/completions?api-version=1"])
async def test_the_address_may_be_given_in_full(llm, make, tail):
    await complete(make(endpoint=llm.url + tail))
    query = "?api-version=1" if "?" in tail else ""
    assert llm.calls[0].path == "/v1/chat/completions" + query


async def test_usage_is_estimated_where_it_is_missing(llm, fake, make):
    llm.script = [fake.chat("x" * 40, usage=None)]
    answer, _ = await complete(make())
    assert answer.estimated and answer.completion_tokens == 10 and answer.prompt_tokens == 3


@pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
async def test_what_passes_is_waited_for(llm, fake, make, status):
    busy = fake.Reply(status, {"error": {"message": "busy"}})
    llm.script = [busy, busy]
    answer, client = await complete(make())
    assert answer.text and client.retried == 2 and len(llm.calls) == 3


@pytest.mark.parametrize("cut", [0, 25])
async def test_a_reset_connection_is_tried_again(llm, fake, make, cut):
    llm.script = [fake.Reply(body={"text": "x" * 100}, cut=cut)]
    answer, client = await complete(make())
    assert answer.text and client.retried == 1


@pytest.mark.parametrize("body", ["<html>busy</html>", {"error": "busy"}, {"choices": []}])
async def test_an_answer_that_is_none_is_tried_again(llm, fake, make, body):
    llm.script = [fake.Reply(body=body)]
    answer, client = await complete(make())
    assert answer.text and client.retried == 1


async def test_a_slow_answer_is_given_up_and_tried_again(llm, fake, make):
    llm.script = [fake.Reply(body={}, delay=0.5)]
    answer, client = await complete(make(timeout=0.15))
    assert answer.text and client.retried == 1


async def test_retry_after_in_seconds_holds_for_every_request(llm, fake, make):
    llm.script = [fake.Reply(429, {}, {"Retry-After": "0.4"})]
    started = time.monotonic()
    async with ChatClient(make(concurrency=3)) as client:
        first = asyncio.ensure_future(client.complete(ASK))
        while not client.retried:
            await asyncio.sleep(0.01)
        await client.complete(ASK)
        assert time.monotonic() - started >= 0.4
        await first


async def test_retry_after_as_a_date(llm, fake, make):
    at = time.time() + 1.5  # dates have whole seconds
    llm.script = [fake.Reply(503, {}, {"Retry-After": email.utils.formatdate(at, usegmt=True)})]
    await complete(make())
    assert time.time() >= int(at)


@pytest.mark.parametrize("value", ["-3", "soon", "", "Wed, 32 Foo 2020"])
async def test_a_retry_after_that_makes_no_sense_is_ignored(llm, fake, make, value):
    llm.script = [fake.Reply(429, {}, {"Retry-After": value})]
    answer, _ = await complete(make())
    assert answer.text


async def test_a_long_retry_after_ends_the_run(llm, fake, make):
    llm.script = [fake.Reply(429, {}, {"Retry-After": "3600"})]
    with pytest.raises(EndpointError, match="wait 3600 s") as caught:
        await complete(make())
    assert caught.value.status == 429 and len(llm.calls) == 1


async def test_a_server_that_stays_busy_is_given_up(llm, fake, make):
    llm.answer = lambda call: fake.Reply(500, {"error": "broken"})
    with pytest.raises(EndpointError, match=r"500 \(broken\).*goes on from there"):
        await complete(make(retries=2))
    assert len(llm.calls) == 3


async def test_a_server_that_is_not_there_is_said_to_be_so(make):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://user:secret@127.0.0.1:{closed.getsockname()[1]}/v1?key=secret"
    with pytest.raises(EndpointError, match="Check that the server runs") as caught:
        await complete(make(endpoint=address, retries=9))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("key", "said"), [(None, "no API key was given"), ("wrong-key", "was not accepted")])
async def test_denied_access_names_the_variable_but_not_the_key(llm, fake, make, key, said, monkeypatch):
    monkeypatch.delenv("SOME_KEY", raising=False)
    llm.script = [fake.Reply(401, {"error": {"message": f"bad key {key}"}})]
    with pytest.raises(EndpointError, match="SOME_KEY") as caught:
        await complete(make(api_key=key, api_key_env="SOME_KEY"))
    assert said in str(caught.value) and "wrong-key" not in str(caught.value) and caught.value.status == 401


async def test_an_unknown_model_is_answered_with_the_known_ones(llm, fake, make):
    llm.script = [fake.Reply(404, {"error": {"message": 'model "tiny" not found, try pulling it first'}})]
    with pytest.raises(EndpointError, match="no model 'tiny'.*It offers: large, tiny"):
        await complete(make())
    assert len(llm.calls) == 1


async def test_an_empty_purse_is_not_waited_for(llm, fake, make):
    llm.script = [fake.Reply(429, {"error": {"code": "insufficient_quota", "message": "You exceeded"}})]
    with pytest.raises(EndpointError, match="no quota left"):
        await complete(make())


async def test_a_request_that_is_never_taken_is_rejected_with_the_reason(llm, fake, make):
    llm.answer = lambda call: fake.Reply(400, {"error": "context is too long"})
    with pytest.raises(RequestRejected, match="context is too long"):
        await complete(make())
    assert len(llm.calls) == 3  # with each structured output once


async def test_a_filter_of_the_provider_is_a_refusal(llm, fake, make):
    llm.script = [fake.Reply(400, {"error": {"code": "content_filter", "message": "filtered"}})]
    answer, _ = await complete(make())
    assert answer.refused and answer.text == ""


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_a_server_without_structured_output_is_remembered(llm, fake, make, status):
    def plain(call):
        return fake.Reply(status, {"error": "unknown field"}) if "response_format" in call.body else fake.honest(call)

    llm.answer = plain
    async with ChatClient(make()) as client:
        await client.complete(ASK)
        await client.complete(ASK)
    forms = [call.body.get("response_format", {}).get("type") for call in llm.calls]
    assert forms == ["json_schema", "json_object", None, None]


async def test_one_bad_request_does_not_spoil_structured_output(llm, fake, make):
    reject = fake.Reply(400, {"error": "too long"})
    llm.script = [reject, reject, reject]
    async with ChatClient(make()) as client:
        with pytest.raises(RequestRejected):
            await client.complete(ASK)
        await client.complete(ASK)
    assert llm.calls[-1].body["response_format"]["type"] == "json_schema"


async def test_concurrency_is_bounded(llm, fake, make):
    llm.answer = lambda call: fake.Reply(body=fake.honest(call).body, delay=0.03)
    async with ChatClient(make(concurrency=3)) as client:
        await asyncio.gather(*(client.complete(ASK) for _ in range(12)))
    assert llm.busiest == 3


async def test_the_key_comes_from_the_environment_and_is_not_logged(llm, make, monkeypatch, caplog):
    monkeypatch.setenv("MY_KEY", "k-12345")
    with caplog.at_level(logging.DEBUG):
        await complete(make(api_key_env="MY_KEY"))
    assert llm.calls[0].headers["Authorization"] == "Bearer k-12345"
    assert "k-12345" not in caplog.text


async def test_the_key_of_openai_goes_to_nobody_else(llm, make, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    await complete(make())
    assert "Authorization" not in llm.calls[0].headers
    assert make(endpoint="https://api.openai.com/v1").key() == "sk-1"


def test_the_key_is_not_shown(make):
    assert "k-12345" not in repr(make(api_key="k-12345"))
    assert "k-12345" not in make(api_key="k-12345").model_dump_json()


async def test_http2_is_offered_and_does_without(llm, make):
    pytest.importorskip("h2")
    answer, _ = await complete(make(http2=True))
    assert answer.text and llm.calls[0].version == "HTTP/1.1"


def test_http2_without_its_package_names_the_extra(make, monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"unigurd-sdk\[sdg\]"):
        ChatClient(make(http2=True))


@pytest.mark.parametrize("wrong", [{"endpoint": "localhost:1/v1"}, {"endpoint": "ftp://a"}, {"model": ""}, {"more": 1}])
def test_options_are_checked(make, wrong):
    with pytest.raises(ValidationError):
        make(**wrong)
