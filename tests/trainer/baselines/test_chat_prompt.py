"""A chat model with the policy in its prompt: what it is asked, what counts as a verdict, and what does not."""

from __future__ import annotations

import math

import pytest

from unigurd_trainer.errors import RecipeError


def top(**odds):
    """One token, the likeliest of these."""
    alternatives = [{"token": token, "logprob": math.log(p)} for token, p in odds.items()]
    return {"content": [{**max(alternatives, key=lambda each: each["logprob"]), "top_logprobs": alternatives}]}


def reply(fake, text, logprobs=None, **fields):
    made = fake.chat(text, **fields)
    made.body["choices"][0]["logprobs"] = logprobs
    return made


async def test_the_model_reads_policy_and_text(llm, fake, judge, ask):
    llm.script = [fake.chat("Safe")]
    question = ask("Sell it all.", policy="finance", role="assistant", prompt="What should I do?")
    await judge("chat", question, model="gpt-4o")
    call = llm.calls[0]
    assert call.path == "/v1/chat/completions"
    assert set(call.body) == {"model", "messages", "temperature"} and call.body["temperature"] == 0
    system, user = (message["content"] for message in call.body["messages"])
    lines = (question.policy.description, *question.policy.allowed, *question.policy.disallowed)
    assert all(line in system for line in lines)
    assert user.index("What should I do?") < user.index("what the application answered") < user.index("Sell it all.")


@pytest.mark.parametrize(
    ("text", "flagged"),
    [
        ("Unsafe", True),
        ("unsafe.", True),
        ("**Safe**", False),
        ('"Safe"', False),
        ("SAFE\n", False),
        ("\nUnsafe: it", True),
    ],
)
async def test_one_word_is_a_verdict(llm, fake, judge, ask, text, flagged):
    llm.script = [fake.chat(text)]
    judgement = await judge("chat", ask(), model="m")
    assert (judgement.flagged, judgement.invalid, judgement.score) == (flagged, "", None)


@pytest.mark.parametrize(
    "text", ["", "I can't help with that.", "The text is not safe.", "Safe to say it is a violation", "unsafely", "Yes"]
)
async def test_anything_else_is_none(llm, fake, judge, ask, text):
    llm.script = [fake.chat(text)]
    judgement = await judge("chat", ask(), model="m")
    assert judgement.invalid == "no verdict in the answer" and not judgement.flagged
    prediction = judgement.prediction("x")
    assert prediction.invalid and prediction.flagged is None and prediction.score is None


async def test_a_refusal_is_none(llm, fake, judge, ask):
    llm.script = [fake.chat(None, refusal="I won't.")]
    judgement = await judge("chat", ask(), model="m")
    assert (judgement.invalid, judgement.label) == ("refused", "I won't.")


@pytest.mark.parametrize("how", ["status 400", "finish reason"])
@pytest.mark.parametrize(("filtered", "flagged", "invalid"), [("invalid", False, True), ("unsafe", True, False)])
async def test_a_filter_of_the_provider_is_no_verdict_unless_asked(
    llm, fake, judge, ask, how, filtered, flagged, invalid
):
    error = {"error": {"code": "content_filter", "message": "The response was filtered"}}
    llm.script = [fake.Reply(400, error) if how == "status 400" else fake.chat("", finish="content_filter")]
    judgement = await judge("chat", ask(), model="m", filtered=filtered)
    assert (judgement.flagged, bool(judgement.invalid)) == (flagged, invalid)
    assert len(llm.calls) == 1


@pytest.mark.parametrize(
    ("odds", "score"),
    [
        ({"Safe": 0.6, "Unsafe": 0.2, "Well": 0.2}, 0.25),
        ({"Un": 0.6, "un": 0.1, " Safe": 0.3}, 0.7),
        ({"Safe": 1.0}, 0.0),
    ],
)
async def test_the_score_is_the_odds_of_the_two_words(llm, fake, judge, ask, odds, score):
    llm.script = [reply(fake, "Unsafe" if score > 0.5 else "Safe", top(**odds))]
    judgement = await judge("chat", ask(), model="m", logprobs=True)
    assert judgement.score == pytest.approx(score)
    assert (llm.calls[0].body["logprobs"], llm.calls[0].body["top_logprobs"]) == (True, 20)


async def test_a_server_without_probabilities_is_told_apart(llm, fake, judge, ask):
    llm.script = [fake.chat("Safe")]
    with pytest.raises(RecipeError, match="gives no log-probabilities"):
        await judge("chat", ask(), model="m", logprobs=True)


async def test_a_model_that_takes_no_temperature_is_asked_without(llm, fake, judge, ask):
    llm.script = [fake.Reply(400, {"error": "Unsupported value: 'temperature' does not support 0"}), fake.chat("Safe")]
    assert not (await judge("chat", ask(), model="o4")).invalid
    assert "temperature" not in llm.calls[1].body
