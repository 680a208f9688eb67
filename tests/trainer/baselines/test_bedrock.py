"""Bedrock guardrails: the request is the one that botocore's own client makes, and findings count by policy."""

from __future__ import annotations

import datetime
import json

import pytest

ARN = "arn:aws:bedrock:eu-west-1:123456789012:guardrail/abc123"


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    pytest.importorskip("botocore")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-1")


def intervened(**policies):
    return {"action": "GUARDRAIL_INTERVENED", "outputs": [{"text": "Sorry."}], "assessments": [policies], "usage": {}}


EMAIL = {"piiEntities": [{"type": "EMAIL", "match": "a@b.c", "action": "ANONYMIZED"}]}


def topic(name):
    return intervened(topicPolicy={"topics": [{"name": name, "type": "DENY", "action": "BLOCKED"}]})


def filters(*kinds, action="BLOCKED", **more):
    return {
        "contentPolicy": {"filters": [{"type": kind, "confidence": "HIGH", "action": action, **more} for kind in kinds]}
    }


@pytest.mark.filterwarnings("ignore:datetime")
@pytest.mark.parametrize(
    ("guardrail", "role", "source"),
    [("abc123", "user", "INPUT"), (ARN, "assistant", "OUTPUT"), (ARN, "document", "INPUT")],
)
async def test_the_request_is_that_of_the_sdk(llm, fake, judge, ask, guardrail, role, source, monkeypatch):
    import botocore.auth
    import botocore.session

    llm.answer = lambda call: fake.Reply(body={"action": "NONE", "outputs": [], "assessments": [], "usage": {}})
    at = datetime.datetime(2026, 11, 23, 12, 0, 0, tzinfo=datetime.timezone.utc)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *args, **kwargs: at.replace(tzinfo=None))
    server = llm.url.removesuffix("/v1")
    options = {"guardrail": guardrail, "guardrail_version": "7", "region": "eu-west-1", "endpoint": server}
    await judge("bedrock", ask("a text", role=role, prompt=None), **options)
    client = botocore.session.get_session().create_client(
        "bedrock-runtime", region_name="eu-west-1", endpoint_url=server
    )
    client.apply_guardrail(
        guardrailIdentifier=guardrail, guardrailVersion="7", source=source, content=[{"text": {"text": "a text"}}]
    )
    ours, theirs = llm.calls
    assert ours.path == theirs.path and ours.body == theirs.body
    credential = "Credential=AKIDEXAMPLE/20261123/eu-west-1/bedrock/aws4_request"
    for call in (ours, theirs):
        assert credential in call.headers["Authorization"] and call.headers["X-Amz-Security-Token"] == "token-1"
    assert ours.headers["Authorization"] == signed(ours, at)
    assert theirs.headers["Authorization"] == signed(theirs, at)


def signed(call, at):
    """Sign a request that arrived as the documentation of AWS says, without botocore."""
    import hashlib
    import hmac
    import re
    from urllib.parse import quote

    (listed,) = re.findall(r"SignedHeaders=([^,]+)", call.headers["Authorization"])
    names = listed.split(";")
    lower = {name.lower(): value for name, value in call.headers.items()}
    headers = "".join(f"{name}:{' '.join(lower[name].split())}\n" for name in names)
    digest = hashlib.sha256(call.raw).hexdigest()
    canonical = "\n".join(["POST", quote(call.path, safe="/~"), "", headers, ";".join(names), digest])
    scope = f"{at:%Y%m%d}/eu-west-1/bedrock/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{at:%Y%m%dT%H%M%SZ}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    start = f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}"
    return f"{start}, SignedHeaders={';'.join(names)}, Signature={signature}"


async def test_every_try_is_signed_anew(llm, fake, judge, ask):
    done = fake.Reply(body={"action": "NONE", "assessments": []})
    llm.script = [fake.Reply(429, {}, {"Retry-After": "1.1"}), done]
    await judge("bedrock", ask(), guardrail="abc")
    first, second = (call.headers["X-Amz-Date"] for call in llm.calls)
    assert first < second


@pytest.mark.parametrize(
    ("policy", "count", "answer", "flagged"),
    [
        ("hate", "mapped", intervened(**filters("HATE")), True),
        ("hate", "mapped", intervened(**filters("SEXUAL")), False),
        ("hate", "any", intervened(**filters("SEXUAL")), True),
        ("safety", "mapped", intervened(**filters("PROMPT_ATTACK")), False),
        ("prompt-injection", "mapped", intervened(**filters("PROMPT_ATTACK")), True),
        ("tax", "mapped", intervened(**filters("SEXUAL")), True),
        ("hate", "mapped", intervened(), True),  # it does not say why
        ("hate", "mapped", {"action": "NONE", "assessments": [filters("HATE", action="NONE", detected=False)]}, False),
        ("hate", "mapped", {"action": "NONE", "assessments": [filters("HATE", action="NONE", detected=True)]}, True),
        ("hate", "mapped", topic("hate"), True),
        ("hate", "mapped", topic("tax"), False),
        ("privacy", "mapped", intervened(sensitiveInformationPolicy=EMAIL), True),
    ],
)  # fmt: skip
async def test_which_findings_count(llm, fake, judge, ask, policy, count, answer, flagged):
    llm.script = [fake.Reply(body=json.loads(json.dumps(answer)))]
    judgement = await judge("bedrock", ask(policy=policy), guardrail="abc", count=count)
    assert (judgement.flagged, judgement.score) == (flagged, None)


def test_the_address_is_that_of_the_region():
    from unigurd_trainer.baselines.bedrock import BedrockOptions

    options = BedrockOptions(guardrail=ARN, region="eu-west-1").resolved()
    name = ARN.replace(":", "%3A").replace("/", "%2F")
    host = "https://bedrock-runtime.eu-west-1.amazonaws.com"
    assert options.apply_url() == f"{host}/guardrail/{name}/version/DRAFT/apply"


def test_without_botocore_the_extra_is_named(monkeypatch):
    import sys

    from unigurd_sdk.errors import MissingExtra
    from unigurd_trainer.baselines import bedrock

    monkeypatch.setitem(sys.modules, "botocore.credentials", None)
    with pytest.raises(MissingExtra, match=r"unigurd-sdk\[baselines\]"):
        bedrock._credentials()
