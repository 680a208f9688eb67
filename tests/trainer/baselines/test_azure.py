"""Azure Content Safety: severities, attacks, and texts longer than a request."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

NAMES = ("Hate", "Sexual", "SelfHarm", "Violence")


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("AZURE_CONTENT_SAFETY_KEY", "k-1")


@pytest.fixture
def azure(llm, fake):
    """A resource for which "bad" is violence of severity 4, and an attack."""

    def answer(call):
        if "userPrompt" in call.body:
            documents = [{"attackDetected": "bad" in text} for text in call.body["documents"]]
            prompt = {"attackDetected": "bad" in call.body["userPrompt"]}
            return fake.Reply(body={"userPromptAnalysis": prompt, "documentsAnalysis": documents})
        severities = {"Violence": 4 if "bad" in call.body["text"] else 0, "Hate": 2}
        analysis = [{"category": name, "severity": severities.get(name, 0)} for name in NAMES]
        return fake.Reply(body={"blocklistsMatch": [], "categoriesAnalysis": analysis})

    llm.answer = answer
    return llm


async def test_the_text_goes_to_the_operation_with_the_key(azure, judge, ask):
    await judge("azure-content-safety", ask("a text"))
    call = azure.calls[0]
    assert call.path == "/v1/contentsafety/text:analyze?api-version=2024-09-01"
    assert call.headers["Ocp-Apim-Subscription-Key"] == "k-1" and "Authorization" not in call.headers
    assert call.body == {"text": "a text", "categories": [*NAMES], "outputType": "FourSeverityLevels"}


@pytest.mark.parametrize(
    ("policy", "options", "flagged", "score"),
    [
        ("violence", {}, True, 4 / 6),
        ("hate", {}, True, 2 / 6),
        ("hate", {"severity": 4}, False, 2 / 6),
        ("self-harm", {}, False, 0.0),
        ("self-harm", {"count": "any"}, True, 4 / 6),
        ("violence", {"output_type": "EightSeverityLevels"}, True, 4 / 7),
    ],
)
async def test_which_severities_count(azure, judge, ask, policy, options, flagged, score):
    judgement = await judge("azure-content-safety", ask("bad", policy=policy), **options)
    assert (judgement.flagged, judgement.score) == (flagged, pytest.approx(score))
    assert judgement.label == "Hate 2, Sexual 0, SelfHarm 0, Violence 4"


@pytest.mark.parametrize("name", ["azure-content-safety", "azure-prompt-shields"])
@pytest.mark.parametrize("place", [0, 999, 1_000, 1_700, 2_497])
async def test_a_long_text_is_judged_whole(azure, judge, ask, name, place):
    text = "x" * place + "bad" + "x" * (2_497 - place)
    assert (await judge(name, ask(text, policy="violence"), max_chars=1_000)).flagged
    sent = [call.body.get("text") or call.body["userPrompt"] for call in azure.calls]
    assert len(sent) == 3 and all(len(piece) <= 1_000 for piece in sent)


async def test_a_category_that_is_missing_is_no_answer(llm, fake, judge, ask):
    from unigurd_trainer.http.errors import NoAnswer

    llm.answer = lambda call: fake.Reply(body={"categoriesAnalysis": [{"category": "Hate", "severity": 0}]})
    with pytest.raises(NoAnswer, match="not an answer"):
        await judge("azure-content-safety", ask(), retries=1)


@pytest.mark.parametrize(
    ("role", "field"), [("user", "userPrompt"), ("assistant", "userPrompt"), ("document", "documents")]
)
async def test_shields_look_at_prompts_and_documents(azure, judge, ask, role, field):
    attack = await judge("azure-prompt-shields", ask("a bad text", policy="prompt-injection", role=role))
    harmless = await judge("azure-prompt-shields", ask("a good text", policy="prompt-injection", role=role))
    assert (attack.flagged, harmless.flagged, attack.score) == (True, False, None)
    call = azure.calls[0]
    assert call.path == "/v1/contentsafety/text:shieldPrompt?api-version=2024-09-01"
    assert call.body == {"userPrompt": "", "documents": []} | {
        field: ["a bad text"] if field == "documents" else "a bad text"
    }


def test_the_resource_has_to_be_named():
    from unigurd_trainer.baselines.azure_prompt_shields import BASELINE

    with pytest.raises(ValidationError, match="endpoint"):
        BASELINE.options.model_validate({})
