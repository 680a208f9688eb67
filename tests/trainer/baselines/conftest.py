"""Questions to ask, rivals to ask them, and models in miniature whose verdict hangs on one word of the text."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import Any

import pytest

KEYS = ("OPENAI_API_KEY", "UNIGURD_API_KEY", "AZURE_CONTENT_SAFETY_KEY", "CONTENT_SAFETY_KEY", "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")  # fmt: skip

WORDS = "the text says that this is a good or bad thing to ask about no hate policy user agent".split()


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    """Tests bring the keys that they need."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ask():
    """Make a question: `ask("a text", policy="hate", role="user", prompt=None)`."""
    from unigurd_sdk.registry import PolicyRegistry
    from unigurd_trainer.measure.predictions import row_id
    from unigurd_trainer.measure.questions import Question

    def make(text="this is a good thing", policy="hate", role="user", prompt=None):
        rule = PolicyRegistry()[policy]
        return Question(row_id(rule, role, prompt, text), rule, role, prompt, text)

    return make


@pytest.fixture
def opened(llm):
    """Open a baseline, impatient and at the local server: `async with opened("chat", model="tiny") as adapter`."""
    from unigurd_trainer.baselines.options import ServiceOptions, WriterOptions
    from unigurd_trainer.baselines.registry import find_baseline

    @asynccontextmanager
    async def make(name, **values):
        baseline = find_baseline(name)
        if issubclass(baseline.options, ServiceOptions):
            values = {"endpoint": llm.url, **values}
        if issubclass(baseline.options, (ServiceOptions, WriterOptions)):
            values = {"backoff": 0.001, **values}
        async with baseline.open(baseline.options(**values)) as adapter:
            yield adapter

    return make


@pytest.fixture
def judge(opened):
    """Judge one question: `await judge("chat", question, model="tiny")`."""

    async def make(name, question, **values):
        async with opened(name, **values) as adapter:
            return await adapter.judge(question)

    return make


@pytest.fixture
def listen():
    """Collect the prompts that a local model is given: `listen(adapter)`."""

    def make(adapter):
        prompts, encode = [], adapter.writer._encode

        def heard(text):
            prompts.append(text)
            return encode(text)

        adapter.writer._encode = heard
        return prompts

    return make


@pytest.fixture
def write_rows(tmp_path):
    """Write rows as files of the data folder's `dev` have them."""

    def make(texts, policy="hate", name="rows.jsonl"):
        path = tmp_path / name
        rows = [{"text": text, "label": "safe", "policy": policy, "source": "toy"} for text in texts]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return make


@pytest.fixture
def make_writer(tmp_path):
    """Save a tiny Llama that answers like a guard: the folder of `make_writer(...)`.

    Its one attention head sees whether the word "bad" stands anywhere before; then `unsafe` is likelier than `safe`.
    `after` says which token always follows which; behind every other token comes the verdict.
    """
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    def make(unsafe="unsafe", safe="safe", *, after=None, template=None, context=2048, name="tiny-writer", specials=()):
        after = {unsafe: "\nS10", safe: "</s>", "\nS10": "</s>", **(after or {})}
        pieces = dict.fromkeys(["[UNK]", "<s>", "</s>", *specials, *WORDS, unsafe, safe, *after, *after.values()])
        ids = {token: index for index, token in enumerate(pieces)}
        tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        tokenizer.decoder = decoders.Fuse()
        fast = transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="[UNK]", chat_template=template
        )
        if specials:
            fast.add_special_tokens({"additional_special_tokens": [*specials]})
        model = _wired(transformers, torch, ids, unsafe, safe, after, context)
        folder = tmp_path / name
        model.save_pretrained(folder)
        fast.save_pretrained(folder)
        return folder

    return make


def _wired(transformers: Any, torch: Any, ids: Any, unsafe: str, safe: str, after: Any, context: int) -> Any:
    """Build the model: dimension 0 is 1, 1 says "bad", 2 is what attention gathers of it, the rest is for `after`."""
    size = 3 + len(after)
    size += size % 2
    config = transformers.LlamaConfig(
        vocab_size=len(ids), hidden_size=size, intermediate_size=4, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1, max_position_embeddings=context, bos_token_id=1, eos_token_id=2, pad_token_id=2,
        tie_word_embeddings=False,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        layer, inner = model.model.layers[0], model.model
        for norm in (layer.input_layernorm, layer.post_attention_layernorm, inner.norm):
            norm.weight.fill_(1.0)
        inner.embed_tokens.weight[:, 0] = 1.0
        inner.embed_tokens.weight[ids["bad"], 1] = 4.0
        layer.self_attn.v_proj.weight[0, 1] = 1.0
        layer.self_attn.o_proj.weight[2, 0] = 1000.0
        model.lm_head.weight[ids[safe], 0] = 3.0
        model.lm_head.weight[ids[unsafe], 2] = 3.0
        for place, (token, following) in enumerate(after.items(), start=3):
            inner.embed_tokens.weight[ids[token], place] = 1e5
            model.lm_head.weight[ids[following], place] = 100.0
    return model
