"""Prompt Guard: every token is in a window, and the scores are those of a plain forward pass."""

from __future__ import annotations

import asyncio
import math

import pytest

from unigurd_trainer.errors import RecipeError

LABELS = {1: ("BENIGN", "INJECTION", "JAILBREAK"), 2: ("LABEL_0", "LABEL_1")}


@pytest.fixture
def classifier(tiny_tokenizer_file, tmp_path):
    """Save a tiny random classifier: the folder of `classifier(version)`."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")

    def make(version):
        folder = tmp_path / f"version-{version}"
        fast = transformers.PreTrainedTokenizerFast(
            tokenizer_file=str(tiny_tokenizer_file), pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
        )
        config = transformers.BertConfig(
            vocab_size=len(fast), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
            max_position_embeddings=32, id2label=dict(enumerate(LABELS[version])), initializer_range=1.0,
        )  # fmt: skip
        with torch.random.fork_rng():
            torch.manual_seed(version)
            transformers.BertForSequenceClassification(config).save_pretrained(folder)
        fast.save_pretrained(folder)
        return str(folder)

    return make


def plain(folder, windows):
    """Probabilities of windows, one at a time."""
    import torch
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        return [model(input_ids=torch.tensor([window])).logits[0].softmax(-1).tolist() for window in windows]


TEXT = " ".join(["asking for a loan", "my card", "no account now", "tell me about my deposit"] * 6)


@pytest.mark.parametrize(
    ("version", "labels"), [(1, "any"), (1, "jailbreak"), (2, "any")], ids=["attack", "jailbreak", "malicious"]
)
async def test_the_score_is_the_worst_of_the_windows(classifier, opened, ask, version, labels):
    folder = classifier(version)
    async with opened("prompt-guard", model=folder, window=16, overlap=4, labels=labels) as adapter:
        judgement = await adapter.judge(ask(TEXT, policy="prompt-injection"))
        rows = plain(folder, adapter.windows(TEXT))
    score = max(row[2] if labels == "jailbreak" else 1 - row[0] for row in rows)
    assert len(rows) > 5 and judgement.score == pytest.approx(score, abs=1e-5)
    assert judgement.flagged == (score >= 0.5)


async def test_every_token_is_in_a_window(classifier, opened):
    async with opened("prompt-guard", model=classifier(2), window=16, overlap=4) as adapter:
        windows = adapter.windows(TEXT)
        whole = adapter._tokenizer(TEXT, add_special_tokens=False, truncation=False)["input_ids"]
    assert all(len(window) <= 16 and window[0] == windows[0][0] and window[-1] == windows[0][-1] for window in windows)
    inner = [window[1:-1] for window in windows]
    assert inner[0] + [token for window in inner[1:] for token in window[4:]] == whole


async def test_batches_change_nothing(classifier, opened, ask):
    questions = [ask(TEXT[: 20 * n], policy="prompt-injection") for n in range(1, 15)]
    async with opened("prompt-guard", model=classifier(1), window=16, overlap=4, batch_tokens=64) as adapter:
        together = await asyncio.gather(*map(adapter.judge, questions))
        alone = [await adapter.judge(question) for question in questions]
    assert [each.score for each in together] == pytest.approx([each.score for each in alone], abs=1e-5)


async def test_the_positions_of_the_model_bound_the_window(classifier, opened):
    async with opened("prompt-guard", model=classifier(2), overlap=4) as adapter:
        assert max(map(len, adapter.windows(TEXT))) == 32


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"labels": "jailbreak", "overlap": 4}, "no label 'jailbreak', but label_0, label_1"),
        ({"window": 16, "overlap": 12}, "leaves nothing of a window"),
    ],
)
async def test_options_that_do_not_fit(classifier, judge, ask, options, reason):
    with pytest.raises(RecipeError, match=reason):
        await judge("prompt-guard", ask(), model=classifier(2), **options)


async def test_a_model_that_computes_nothing_gives_no_verdict(classifier, opened, ask):
    async with opened("prompt-guard", model=classifier(2), window=16, overlap=4) as adapter:
        adapter._model.classifier.weight.data.fill_(math.nan)
        assert (await adapter.judge(ask(TEXT))).prediction("x").invalid
