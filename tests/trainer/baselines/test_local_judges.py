"""The other models that write: Aegis, ShieldGemma, WildGuard and Granite Guardian, each as a tiny Llama."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from unigurd_sdk.errors import MissingExtra
from unigurd_trainer.baselines import aegis
from unigurd_trainer.baselines.llama_guard import LlamaGuardOptions
from unigurd_trainer.baselines.loading import load_causal
from unigurd_trainer.errors import RecipeError, TrainerError

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks for it

GEMMA = "{{ messages[-1]['content'] }} rule {{ guideline }} answer"
GRANITE = (
    "{% for m in messages %} {{ m['content'] }} {% endfor %}"
    " {{ guardian_config.get('custom_criteria') or guardian_config['criteria_id'] }} {{ think }} <co>"
)


@pytest.fixture
def lora(make_writer):
    """A base model and an adapter that turns the model's attention off."""
    peft = pytest.importorskip("peft")
    import torch
    from transformers import AutoModelForCausalLM

    base = make_writer(after={"[/INST]": "\n\n"})

    def make(strength):
        model = AutoModelForCausalLM.from_pretrained(base)
        made = peft.get_peft_model(model, peft.LoraConfig(r=1, lora_alpha=1, target_modules=["o_proj"]))
        with torch.no_grad():
            for name, weight in made.named_parameters():
                if "lora_A" in name:
                    weight.zero_()[0, 0] = 1.0
                if "lora_B" in name:
                    weight.zero_()[2, 0] = -1000.0 * strength
        folder = base.with_name(f"adapter-{strength}")
        made.save_pretrained(folder)
        return {"model": str(base), "adapter": str(folder)}

    return make


async def test_aegis_is_its_base_with_the_adapter(lora, judge, ask):
    sharp = await judge("aegis", ask("this is bad"), **lora(0.0))
    dull = await judge("aegis", ask("this is bad"), **lora(1.0))
    assert sharp.flagged and sharp.score > 0.5
    assert not dull.flagged and dull.score < 0.5


@pytest.mark.parametrize(("caution", "flagged"), [("unsafe", True), ("safe", False)])
async def test_caution_alone_may_be_safe(lora, opened, ask, caution, flagged):
    from unigurd_trainer.baselines.writing import Written

    async with opened("aegis", count="any", caution=caution, **lora(0.0)) as adapter:
        answers = [Written("unsafe\nO13", 0.9), Written("unsafe\nO13,O1", 0.9)]

        async def write(prompt):
            return answers.pop(0)

        told = replace(adapter, writer=SimpleNamespace(write=write))
        assert [(await told.judge(ask())).flagged for _ in range(2)] == [flagged, True]


def test_the_categories_of_aegis_are_those_of_the_card(tmp_path):
    ours = aegis.AegisOptions().prompt()
    assert list(ours) == [f"O{n}" for n in range(1, 14)] and ours["O13"].startswith("Needs Caution.\nShould not\n- ")
    card = tmp_path / "card.txt"
    card.write_text("O1: Violence.\nShould not\n- x\nO2: Sexual.\n", encoding="utf-8")
    assert aegis.AegisOptions(prompt_categories=card).prompt() == {"O1": "Violence.\nShould not\n- x\nO2: Sexual."}
    for broken in ("S1: x", ""):
        card.write_text(broken, encoding="utf-8")
        with pytest.raises(RecipeError, match="begin with 'O1: '"):
            aegis.AegisOptions(prompt_categories=card).prompt()
    with pytest.raises(RecipeError, match="cannot be read"):
        aegis.AegisOptions(prompt_categories=tmp_path / "no").prompt()


@pytest.mark.parametrize(("role", "start"), [("user", "The prompt shall not"), ("assistant", "The chatbot shall not")])
async def test_shield_gemma_asks_for_every_guideline(make_writer, opened, listen, ask, role, start):
    folder = str(make_writer("Yes", "No", template=GEMMA))
    async with opened("shield-gemma", model=folder) as adapter:
        prompts = listen(adapter)
        bad = await adapter.judge(
            ask("this is bad", policy="tax", role=role, prompt="" if role == "assistant" else None)
        )
        mapped = await adapter.judge(ask("this is good", policy="toxicity", role=role))
    assert bad.flagged and bad.score > 0.5 and len(bad.categories) == 4
    assert not mapped.flagged and mapped.score < 0.5 and mapped.categories == ()
    assert len(prompts) == 4 + 2 and all(f'": {start}' in prompt for prompt in prompts)


async def test_the_policy_can_be_the_guideline(make_writer, opened, listen, ask):
    question, folder = ask("this is bad", policy="tax"), str(make_writer("Yes", "No", template=GEMMA))
    async with opened("shield-gemma", model=folder, guidelines="policy") as adapter:
        prompts = listen(adapter)
        judgement = await adapter.judge(question)
    assert judgement.flagged and judgement.categories == (question.policy.title,)
    assert len(prompts) == 1 and question.policy.description in prompts[0]


async def test_the_threshold_of_shield_gemma_decides(make_writer, judge, ask):
    folder = str(make_writer("Yes", "No", template=GEMMA))
    score = (await judge("shield-gemma", ask("bad"), model=folder)).score
    assert not (await judge("shield-gemma", ask("bad"), model=folder, threshold=min(1.0, score + 1e-4))).flagged


LINES = {
    "<|assistant|>": "Harmful request: ",
    "yes": "\nResponse refusal: no\nHarmful response: ",
    "no": "\nResponse refusal: no\nHarmful response: ",
}


@pytest.mark.parametrize(
    ("role", "prompt", "text", "flagged"),
    [
        ("user", None, "this is bad", True),
        ("user", None, "this is good", False),
        ("assistant", "this is good", "this is bad", True),
        ("assistant", "this is good", "this is good", False),
    ],
)
async def test_wild_guard_reads_the_line_about_the_text(make_writer, judge, ask, role, prompt, text, flagged):
    folder = str(make_writer("yes", "no", after=LINES))
    judgement = await judge("wildguard", ask(text, role=role, prompt=prompt), model=folder)
    assert (judgement.flagged, judgement.score > 0.5) == (flagged, flagged)
    assert judgement.label.startswith(f"Harmful request: {'yes' if flagged else 'no'}")


async def test_wild_guard_without_the_line_gives_no_verdict(make_writer, judge, ask):
    folder = str(make_writer("yes", "no"))
    assert (await judge("wildguard", ask(), model=folder)).invalid == "no verdict in the answer"


@pytest.mark.parametrize("tagged", [True, False])
@pytest.mark.parametrize(("text", "flagged"), [("this is bad", True), ("this is good", False)])
async def test_granite_guardian_in_both_generations(make_writer, judge, ask, tagged, text, flagged):
    start = {"<co>": "<think>\n</think>\n<score> "} if tagged else {}
    end = {"yes": " </score>", "no": " </score>", " </score>": "</s>"} if tagged else {}
    folder = str(make_writer("yes", "no", after={**start, **end}, template=GRANITE))
    judgement = await judge("granite-guardian", ask(text, policy="tax"), model=folder, tagged=tagged)
    assert (judgement.flagged, judgement.score > 0.5) == (flagged, flagged)


@pytest.mark.parametrize(("criteria", "end"), [("policy", "False <co>"), ("own", "jailbreak False <co>")])
async def test_granite_guardian_is_given_the_policy_or_a_criterion(make_writer, opened, listen, ask, criteria, end):
    folder = str(make_writer("yes", "no", template=GRANITE))
    async with opened("granite-guardian", model=folder, tagged=False, criteria=criteria) as adapter:
        prompts = listen(adapter)
        await adapter.judge(ask("good", policy="prompt-injection"))
    assert prompts[0].endswith(end)
    assert ("The text violates this rule: Keeps users from" in prompts[0]) == (criteria == "policy")


async def test_an_answer_without_the_tag_is_no_verdict(make_writer, judge, ask):
    folder = str(make_writer("yes", "no", template=GRANITE))
    assert (await judge("granite-guardian", ask("bad"), model=folder)).invalid == "no verdict in the answer"


@pytest.mark.parametrize(
    ("package", "name"), [("transformers", "wildguard"), ("transformers", "prompt-guard"), ("peft", "aegis")]
)
async def test_a_missing_package_names_the_extra(package, name, lora, judge, ask, monkeypatch):
    import sys

    options = lora(0.0) if name == "aegis" else {}
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=r"unigurd-sdk\[baselines\]"):
        await judge(name, ask(), **options)


async def test_a_batch_too_large_for_memory_says_what_to_lower(make_writer, opened, ask, monkeypatch):
    import torch

    def generate(**_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    async with opened("wildguard", model=str(make_writer("yes", "no"))) as adapter:
        monkeypatch.setattr(adapter.writer._model, "generate", generate)
        with pytest.raises(TrainerError, match="Lower batch_tokens"):
            await adapter.judge(ask())


def test_a_model_that_sees_is_loaded_without_its_eyes(tmp_path):
    import torch
    import transformers as hf

    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
    }
    reads = hf.Llama4TextConfig(
        **sizes, vocab_size=32, intermediate_size_mlp=16, num_key_value_heads=2, head_dim=8, num_local_experts=1,
        num_experts_per_tok=1, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    sees = hf.Llama4VisionConfig(
        **sizes, vision_output_dim=16, projector_input_dim=16, projector_output_dim=16, image_size=28, patch_size=14
    )
    whole = hf.Llama4ForConditionalGeneration(hf.Llama4Config(text_config=reads, vision_config=sees))
    whole.save_pretrained(tmp_path)
    loaded = load_causal(LlamaGuardOptions(model=str(tmp_path), generation=4, dtype="float32"))
    wanted = dict(whole.language_model.named_parameters())
    assert {name for name, _ in loaded.named_parameters()} == set(wanted)
    assert all(torch.equal(parameter, wanted[name]) for name, parameter in loaded.named_parameters())
