"""Panels: each row scored as the trainer's own scoring does, whatever the interaction and the size of a pack."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from unigurd_sdk import Policy  # noqa: E402
from unigurd_trainer.batching import Collator  # noqa: E402
from unigurd_trainer.rows import Episode, Example  # noqa: E402
from unigurd_trainer.scoring import score_episodes  # noqa: E402
from unigurd_trainer.search import panel as module  # noqa: E402
from unigurd_trainer.search.panel import make_panel, score  # noqa: E402
from unigurd_trainer.search.splits import Judged  # noqa: E402

WORDS = "lamp door oven sofa window carpet kettle mirror".split()


def rows():
    for number, word in enumerate(WORDS * 3):
        name = ("a", "b", "c")[number % 3]
        policy = Policy(
            name=name, description=f"No {WORDS[number % 3]}.", disallowed=[f"asking for {word}"][: number % 2]
        )
        text = " ".join([word] * (1 + number % 7))
        yield Judged(policy, Example(text, number % 2, "toy", "MIT"), "x" if name == "a" else "y")


@pytest.mark.parametrize("interaction", ["lines", "lines-read", "prefix-lines", "full"])
@pytest.mark.parametrize("tokens", [16, 8192])
def test_rows_are_scored_as_the_trainer_scores_them(make_model, tiny_tokenizer, monkeypatch, interaction, tokens):
    monkeypatch.setitem(module.TOKENS, "cpu", tokens)
    model, collate, judged = make_model(interaction=interaction), Collator(tiny_tokenizer, max_text=32), [*rows()]
    panel = make_panel(judged, ("x", "y"), collate, instruction="written", interaction=interaction)
    logits = score(model, panel, "fp32")
    expected = {}
    for index, row in enumerate(judged):
        episode = Episode(row.policy, (row.example,), "conditioned")
        scored = score_episodes(model, collate, [episode], precision="fp32")
        expected[index] = (int(scored.labels[0]), ("x", "y").index(row.group), round(float(scored.logits[0]), 4))
    found = zip(panel.labels.tolist(), panel.groups.tolist(), logits.round(4).tolist(), strict=True)
    for one, other in zip(sorted(found), sorted(expected.values()), strict=True):
        assert one[:2] == other[:2] and one[2] == pytest.approx(other[2], abs=2e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same_scores(make_model, tiny_tokenizer):
    model = make_model()
    panel = make_panel([*rows()], ("x", "y"), Collator(tiny_tokenizer), instruction="written", interaction="lines-read")
    expected = score(model, panel, "fp32")
    device = torch.device("cuda")
    assert score(model.to(device), panel.to(device), "fp32") == pytest.approx(expected, abs=1e-2)
    model.to("cpu")


def test_an_empty_panel_has_no_scores(make_model, tiny_tokenizer):
    panel = make_panel([], ("x",), Collator(tiny_tokenizer), instruction="written", interaction="lines")
    assert len(panel) == 0
    assert np.array_equal(score(make_model(), panel), np.empty(0))
