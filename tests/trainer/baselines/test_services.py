"""What all services have in common: patience, keys, and answers that are none."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from unigurd_trainer.baselines.keys import MissingKey
from unigurd_trainer.http.errors import EndpointError, NoAnswer, RequestRejected

MODERATION = {"results": [{"flagged": True, "categories": {"hate": True}, "category_scores": {"hate": 0.9}}]}
SEVERITIES = {
    "categoriesAnalysis": [{"category": n, "severity": 4} for n in ("Hate", "Sexual", "SelfHarm", "Violence")]
}
CHAT = {"choices": [{"message": {"content": "Unsafe"}, "finish_reason": "stop"}]}
TOKENS = {"content": [{"token": "unsafe", "logprob": -0.1, "top_logprobs": [{"token": "unsafe", "logprob": -0.1}]}]}
GUARD = {"choices": [{"message": {"content": "unsafe\nS10"}, "finish_reason": "stop", "logprobs": TOKENS}]}
ATTACK = {"userPromptAnalysis": {"attackDetected": True}, "documentsAnalysis": []}
AZURE, OPENAI, ANY = "AZURE_CONTENT_SAFETY_KEY", "OPENAI_API_KEY", "UNIGURD_API_KEY"
AWS = {"AWS_ACCESS_KEY_ID": "AKIA-SECRET-1", "AWS_SECRET_ACCESS_KEY": "SECRET-2"}

SERVICES = {  # name -> options, keys, and an answer that flags
    "openai-moderation": ({}, {ANY: "SECRET-1"}, MODERATION),
    "chat": ({"model": "tiny"}, {ANY: "SECRET-1"}, CHAT),
    "azure-content-safety": ({}, {AZURE: "SECRET-1"}, SEVERITIES),
    "azure-prompt-shields": ({}, {AZURE: "SECRET-1"}, ATTACK),
    "bedrock": ({"guardrail": "abc"}, AWS, {"action": "GUARDRAIL_INTERVENED", "assessments": [], "outputs": []}),
    "nemo-guardrails": ({}, {ANY: "SECRET-1"}, {"status": "blocked", "content": "No.", "rail": "self check input"}),
    "llama-guard": ({"model": "guard"}, {ANY: "SECRET-1"}, GUARD),
}


@pytest.fixture(params=SERVICES)
def service(request, monkeypatch, llm):
    """Name, options and a good answer of a service, whose keys are in the environment."""
    options, keys, answer = SERVICES[request.param]
    if request.param == "bedrock":
        pytest.importorskip("botocore")
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    if request.param == "llama-guard":
        options = {"endpoint": llm.url, **options}
    return request.param, options, answer


async def test_what_passes_is_waited_for(service, judge, ask, llm, fake):
    name, options, answer = service
    busy = [fake.Reply(429, {"message": "slow down"}, {"Retry-After": "0.05"}), fake.Reply(500, {"message": "broken"})]
    llm.script = [*busy, fake.Reply(body="<html>"), fake.Reply(body={"weird": 1}), fake.Reply(body=answer)]
    judgement = await judge(name, ask(), **options)
    assert judgement.flagged and not judgement.invalid and judgement.latency_ms is not None
    assert len(llm.calls) == 5 and len({call.raw for call in llm.calls}) == 1


async def test_the_latency_is_that_of_the_answer_alone(service, judge, ask, llm, fake):
    name, options, answer = service
    llm.script = [fake.Reply(500, {}, delay=0.3), fake.Reply(body=answer)]
    started = time.perf_counter()
    judgement = await judge(name, ask(), **options)
    assert 0 < judgement.latency_ms < 1e3 * (time.perf_counter() - started) - 300


async def test_a_service_that_stays_slow_gives_no_answer(service, judge, ask, llm, fake):
    name, options, answer = service
    llm.answer = lambda call: fake.Reply(body=answer, delay=0.4)
    with pytest.raises(NoAnswer, match=r"no answer within 0\.1 s"):
        await judge(name, ask(), timeout=0.1, retries=1, **options)


async def test_a_denied_key_names_the_variable_and_is_not_shown(service, judge, ask, llm, fake, caplog):
    name, options, _ = service
    keys = SERVICES[name][1]
    caplog.set_level(logging.DEBUG)
    llm.answer = lambda call: fake.Reply(403, {"message": f"bad key: {' '.join(keys.values())}"})
    with pytest.raises(EndpointError, match=r"403.*bad key: \*\*\*") as caught:
        await judge(name, ask(), **options)
    assert all(value not in str(caught.value) + caplog.text for value in keys.values())
    assert all(variable in str(caught.value) for variable in keys)


async def test_a_request_that_is_turned_down_says_why(service, judge, ask, llm, fake):
    name, options, _ = service
    llm.answer = lambda call: fake.Reply(400, {"error": {"code": "TooLong", "message": "10,000 characters"}})
    with pytest.raises(RequestRejected, match="TooLong: 10,000 characters"):
        await judge(name, ask(), **options)


async def test_lone_surrogates_do_not_stop_a_request(service, judge, ask, llm, fake):
    name, options, answer = service
    llm.script = [fake.Reply(body=answer)]
    question = ask()
    assert (
        await judge(name, type(question)(question.id, question.policy, "user", None, "a \ud83d b"), **options)
    ).flagged
    assert b"\\ud83d" in llm.calls[0].raw


@pytest.mark.parametrize(
    ("name", "options", "variable"),
    [
        ("openai-moderation", {"endpoint": "https://api.openai.com/v1"}, OPENAI),
        ("chat", {"endpoint": "https://api.openai.com/v1", "model": "gpt-4o"}, OPENAI),
        ("azure-content-safety", {}, AZURE),
        ("azure-prompt-shields", {}, AZURE),
        ("bedrock", {"guardrail": "abc"}, "AWS_ACCESS_KEY_ID"),
        ("llama-guard", {"endpoint": "https://api.openai.com/v1"}, OPENAI),
    ],
)
async def test_a_missing_key_names_the_variable(name, options, variable, judge, ask):
    with pytest.raises(MissingKey, match=variable):
        await judge(name, ask(), **options)


async def test_half_of_the_aws_keys_is_none(judge, ask, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA-1")
    with pytest.raises(MissingKey, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        await judge("bedrock", ask(), guardrail="abc")


async def test_an_empty_purse_ends_the_run(judge, ask, llm, fake, monkeypatch):
    monkeypatch.setenv(ANY, "k")
    llm.script = [fake.Reply(429, {"error": {"code": "insufficient_quota", "message": "You exceeded"}})]
    with pytest.raises(EndpointError, match="no quota left"):
        await judge("openai-moderation", ask())


async def test_nothing_at_the_address_ends_the_run(judge, ask, llm, fake, monkeypatch):
    monkeypatch.setenv(AZURE, "k")
    llm.script = [fake.Reply(404, {"error": {"code": "404", "message": "Resource not found"}})]
    with pytest.raises(EndpointError, match=r"nothing at .*Resource not found.*endpoint"):
        await judge("azure-content-safety", ask())


async def test_the_key_of_openai_goes_to_nobody_else(judge, ask, llm, fake, monkeypatch):
    monkeypatch.setenv(OPENAI, "sk-1")
    llm.script = [fake.Reply(body=MODERATION)]
    await judge("openai-moderation", ask())
    assert "Authorization" not in llm.calls[0].headers


async def test_concurrency_is_bounded(opened, ask, llm, fake):
    llm.answer = lambda call: fake.Reply(body=MODERATION, delay=0.03)
    async with opened("openai-moderation", concurrency=3) as adapter:
        await asyncio.gather(*(adapter.judge(ask(f"text {n}")) for n in range(9)))
    assert llm.busiest == 3
