"""Llama Guard: prompts through chat templates and without, and verdicts with their odds, from a tiny Llama."""

from __future__ import annotations

import asyncio
import math

import pytest

from unigurd_trainer.baselines.llama_guard import TAXONOMIES, guard_judgement
from unigurd_trainer.baselines.llama_guard_format import guard_prompt
from unigurd_trainer.baselines.writing import Written
from unigurd_trainer.errors import RecipeError

HEADER = "<|end_header_id|>"
OWN = (
    "{% for m in messages %} {{ m['role'] }}: {{ m['content'] }} {% endfor %}"
    " {% if categories %}{% for k in categories %} {{ k }}: {{ categories[k] }} {% endfor %}{% endif %}"
    f" assistant {HEADER}"
)
"""Like that of Llama Guard 3: it takes categories; the answer begins with two line ends."""

PARTS = OWN.replace("m['content']", "m['content'][0]['text']").replace(
    f" {HEADER}", f"{{% if true %}} {HEADER}{{% endif %}}"
)
"""Like those of Llama Guard 3 1B and 4, which want parts of text."""


@pytest.fixture
def guard(make_writer):
    """Save a guard: `guard(template)`."""

    def make(template=OWN, **more):
        return str(make_writer(after={HEADER: "\n\n"}, template=template, specials=(HEADER,), **more))

    return make


@pytest.mark.parametrize("template", [OWN, PARTS], ids=["text", "parts"])
@pytest.mark.parametrize("role", ["user", "assistant", "document"])
async def test_a_verdict_and_its_odds(guard, judge, ask, template, role):
    prompt = "what is this" if role == "assistant" else None
    folder = guard(template)
    bad = await judge("llama-guard", ask("this is a bad thing", role=role, prompt=prompt), model=folder)
    good = await judge("llama-guard", ask("this is a good thing", role=role, prompt=prompt), model=folder)
    assert (bad.flagged, bad.categories, bad.label) == (True, ("S10",), "unsafe S10")
    assert (good.flagged, good.categories, good.label) == (False, (), "safe")
    assert good.score < 0.5 < bad.score and bad.latency_ms > 0


async def test_the_odds_are_those_of_the_model(guard, judge, ask):
    """Against a plain forward pass over the prompt and the two line ends, without batch and padding."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = guard()
    judgement = await judge("llama-guard", ask("this is a bad thing"), model=folder)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    messages = [{"role": "user", "content": "this is a bad thing"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.convert_tokens_to_ids("\n\n")]
    with torch.inference_mode():
        odds = model(input_ids=torch.tensor([ids])).logits[0, -1].softmax(-1)
    unsafe, safe = (float(odds[tokenizer.convert_tokens_to_ids(word)]) for word in ("unsafe", "safe"))
    assert judgement.score == pytest.approx(unsafe / (unsafe + safe), abs=1e-5)


async def test_batches_change_nothing(guard, opened, ask):
    texts = [("this is a " * n) + ("bad" if n % 3 == 0 else "good") for n in range(1, 13)]
    questions = [ask(text) for text in texts]
    folder = guard()
    async with opened("llama-guard", model=folder, batch_tokens=120) as adapter:
        together = await asyncio.gather(*map(adapter.judge, questions))
        alone = [await adapter.judge(question) for question in questions]
    assert [each.flagged for each in together] == [each.flagged for each in alone] == [n % 3 == 0 for n in range(1, 13)]
    assert [each.score for each in together] == pytest.approx([each.score for each in alone], abs=1e-5)


@pytest.mark.parametrize(
    ("policy", "count", "flagged"), [("hate", "mapped", True), ("sexual", "mapped", False), ("sexual", "any", True)]
)
async def test_which_categories_count(guard, judge, ask, policy, count, flagged):
    judgement = await judge("llama-guard", ask("bad", policy=policy), model=guard(), count=count)
    assert (judgement.flagged, judgement.categories) == (flagged, ("S10",))
    assert (judgement.score > 0.5) == flagged


@pytest.mark.parametrize(
    ("answer", "flagged"),
    [("unsafe\nS12", False), ("unsafe\nS12,S10", True), ("unsafe\nS99", True), ("unsafe", True), ("safe\nS10", False)],
)
def test_only_known_categories_of_others_are_no_danger(answer, flagged):
    judgement = guard_judgement(Written(answer, 0.9 if "un" in answer else 0.1), TAXONOMIES[3], "mapped", "hate")
    assert (judgement.flagged, judgement.invalid) == (flagged, "")


@pytest.mark.parametrize(("generation", "code"), [(1, "O1"), (2, "S1"), (3, "S1"), (4, "S1")])
async def test_the_policy_can_be_the_only_category(guard, opened, listen, ask, generation, code):
    question = ask("bad", policy="tax")
    async with opened("llama-guard", model=guard(), categories="policy", generation=generation) as adapter:
        seen = listen(adapter)
        judgement = await adapter.judge(question)
    assert judgement.flagged and judgement.score > 0.5
    policy = question.policy
    assert f"{code}: {policy.title}." in seen[0]
    assert all(line in seen[0] for line in (policy.description, *policy.disallowed, *policy.allowed))


@pytest.mark.parametrize(
    ("template", "options"),
    [
        ("{{ raise_exception('no') }}", {}),
        ("{{ messages[0]['role'] }}", {}),
        (OWN.replace("{% if categories %}", "{% if false %}"), {"categories": "policy"}),
    ],
    ids=["refuses", "drops the text", "drops the policy"],
)
async def test_a_template_that_does_not_fit_is_an_error(guard, judge, ask, template, options):
    with pytest.raises(RecipeError, match="does not fit this baseline"):
        await judge("llama-guard", ask("the text"), model=guard(template), **options)


async def test_a_text_that_does_not_fit_is_no_verdict(guard, judge, ask):
    judgement = await judge("llama-guard", ask("good " * 100), model=guard(context=64))
    assert judgement.invalid.startswith("too long") and not judgement.flagged and judgement.latency_ms is None


async def test_an_answer_of_other_words_is_no_verdict(make_writer, judge, ask):
    folder = str(make_writer(after={HEADER: "good", "good": "</s>"}, template=OWN, specials=(HEADER,)))
    judgement = await judge("llama-guard", ask("this is bad"), model=folder)
    assert (judgement.invalid, judgement.label) == ("no verdict in the answer", "good")


async def test_a_model_that_knows_other_words_is_an_error(make_writer, judge, ask):
    with pytest.raises(RecipeError, match="does not know 'unsafe' and 'safe'"):
        await judge("llama-guard", ask(), model=str(make_writer("yes", "no", template=OWN)))


async def test_a_model_that_computes_nothing_gives_no_verdict(guard, opened, ask):
    async with opened("llama-guard", model=guard()) as adapter:
        adapter.writer._model.lm_head.weight.data.fill_(math.nan)
        assert (await adapter.judge(ask("good"))).prediction("x").invalid


async def test_a_model_that_is_not_there_says_what_to_do(judge, ask, tmp_path):
    with pytest.raises(RecipeError, match="HF_TOKEN"):
        await judge("llama-guard", ask(), model=str(tmp_path / "nothing"))


def test_the_frame_of_the_first_two_generations():
    messages = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": " So. "}]
    first = guard_prompt(messages, {"O1": "No {braces}.", "O2": "Others."}, llama_3=False)
    assert first.startswith("<s>[INST] Task: Check if there is unsafe content in 'Agent' messages") and first.endswith(
        "[/INST]"
    )
    assert "<BEGIN UNSAFE CONTENT CATEGORIES>\nO1: No {braces}.\nO2: Others.\n<END UNSAFE" in first
    assert "<BEGIN CONVERSATION>\n\nUser: Why?\n\nAgent: So.\n\n<END CONVERSATION>" in first
    second = guard_prompt(messages[:1], {"S1": "x"}, llama_3=True)
    assert second.startswith("<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nTask:")
    assert "for ONLY THE LAST User message in the above" in second


async def test_an_endpoint_applies_the_template_itself(llm, fake, judge, ask):
    steps = [{"token": t, "logprob": -0.1, "top_logprobs": [{"token": t, "logprob": -0.1}]} for t in ("\n\n",)]
    odds = [{"token": "unsafe", "logprob": math.log(0.8)}, {"token": "safe", "logprob": math.log(0.2)}]
    steps.append({**odds[0], "top_logprobs": odds})
    reply = fake.chat("\n\nunsafe\nS1,S10")
    reply.body["choices"][0]["logprobs"] = {"content": steps}
    llm.script = [reply]
    judgement = await judge("llama-guard", ask("a text"), endpoint=llm.url, model="llama-guard3")
    assert (judgement.flagged, judgement.categories) == (True, ("S1", "S10"))
    assert judgement.score == pytest.approx(0.8)
    body = llm.calls[0].body
    assert body["messages"] == [{"role": "user", "content": "a text"}] and body["temperature"] == 0
    assert body["logprobs"] and "chat_template_kwargs" not in body


@pytest.mark.parametrize(
    ("reply", "options", "reason"),
    [("safe", {}, "no log-probabilities"), ("safe", {"categories": "policy"}, "leave --endpoint out")],
)
async def test_what_an_endpoint_cannot_do(llm, fake, judge, ask, reply, options, reason):
    llm.script = [fake.chat(reply)]
    with pytest.raises(RecipeError, match=reason):
        await judge("llama-guard", ask(), endpoint=llm.url, model="m", **options)
