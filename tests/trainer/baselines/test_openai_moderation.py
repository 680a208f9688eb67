"""The moderation endpoint: what is sent, and which of its findings count."""

from __future__ import annotations

import pytest

RESULT = {
    "flagged": True,
    "categories": {"hate": True, "hate/threatening": False, "sexual": False, "violence": False},
    "category_scores": {"hate": 0.8, "hate/threatening": 0.1, "sexual": 0.02, "violence": 0.4},
}


@pytest.fixture
def moderation(llm, fake):
    llm.answer = lambda call: fake.Reply(body={"id": "modr-1", "model": call.body["model"], "results": [RESULT]})
    return llm


async def test_the_text_goes_to_the_endpoint_with_the_key(moderation, judge, ask, monkeypatch):
    monkeypatch.setenv("UNIGURD_API_KEY", "k-1")
    await judge("openai-moderation", ask("an answer", role="assistant", prompt="a question"))
    call = moderation.calls[0]
    assert call.path == "/v1/moderations" and call.headers["Authorization"] == "Bearer k-1"
    assert call.headers["Content-Type"] == "application/json"
    assert call.body == {"model": "omni-moderation-latest", "input": "an answer"}


@pytest.mark.parametrize(
    ("policy", "count", "flagged", "score"),
    [
        ("hate", "mapped", True, 0.8),
        ("sexual", "mapped", False, 0.02),
        ("violence", "mapped", False, 0.4),
        ("sexual", "any", True, 0.8),
        ("tax", "mapped", True, 0.8),  # nothing of its own: every finding counts
    ],
)
async def test_which_findings_count(moderation, judge, ask, policy, count, flagged, score):
    judgement = await judge("openai-moderation", ask(policy=policy), count=count)
    assert (judgement.flagged, judgement.score, judgement.categories) == (flagged, score, ("hate",))


async def test_a_category_without_a_score_is_left_out(llm, fake, judge, ask):
    result = {"flagged": False, "categories": {"hate": False, "illicit": None}}
    scores = {"category_scores": {"hate": 0.3, "illicit": None}}
    llm.script = [fake.Reply(body={"results": [result | scores]})]
    judgement = await judge("openai-moderation", ask(), count="any")
    assert (judgement.flagged, judgement.score) == (False, 0.3)
