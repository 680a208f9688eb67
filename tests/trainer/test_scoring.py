"""Scoring: one logit per text under its own episode, and validation sets as one number that steers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from unigurd_trainer.batching import Collator  # noqa: E402
from unigurd_trainer.metrics import auc  # noqa: E402
from unigurd_trainer.scoring import Scored, make_validation, score_episodes  # noqa: E402


@pytest.fixture(scope="module")
def episodes(toy):
    return [toy(texts=6).episode(index) for index in range(5)]


@pytest.fixture(scope="module")
def collate(tiny_tokenizer):
    return Collator(tiny_tokenizer, max_text=32, max_line=16)


def rows(scored):
    return sorted(zip(scored.episode.tolist(), scored.labels.tolist(), scored.logits.tolist(), strict=True))


def test_every_text_is_scored_under_its_own_episode(make_model, collate, episodes):
    model = make_model(trained=True)
    scored = score_episodes(model, collate, episodes, precision="fp32")
    assert np.bincount(scored.episode).tolist() == [6] * 5
    assert np.bincount(scored.labels).tolist() == [15, 15]
    for index, episode in enumerate(episodes):
        alone = score_episodes(model, collate, [episode], precision="fp32")
        mine = scored.episode == index
        assert sorted(scored.logits[mine]) == pytest.approx(sorted(alone.logits), abs=1e-4)


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_the_chunk_is_a_detail(make_model, collate, episodes, chunk):
    model = make_model(trained=True)
    one = rows(score_episodes(model, collate, episodes, precision="fp32"))
    two = rows(score_episodes(model, collate, episodes, precision="fp32", chunk=chunk))
    assert [row[:2] for row in one] == [row[:2] for row in two]
    assert [row[2] for row in one] == pytest.approx([row[2] for row in two], abs=1e-4)


def test_scoring_switches_dropout_off_and_keeps_no_gradient(make_model, collate, episodes):
    model = make_model(trained=True).train()
    one, two = (rows(score_episodes(model, collate, episodes[:2])) for _ in range(2))
    assert one == two
    assert all(parameter.grad is None for parameter in model.parameters())


def test_groups_and_probabilities():
    scored = Scored(np.array([1, 0, 1]), np.array([0.0, 2.0, -2.0]), np.array([4, 7, 4]))
    assert [(labels.tolist(), logits.tolist()) for labels, logits in scored.groups()] == [
        ([1, 1], [0.0, -2.0]),
        ([0], [2.0]),
    ]
    assert scored.probabilities == pytest.approx([0.5, 0.8808, 0.1192], abs=1e-4)


def test_validation_reports_each_set_and_steers_by_their_mean(make_model, collate, episodes):
    model = make_model(trained=True)
    scores = make_validation(collate, {"a": episodes[:2], "b": episodes[2:]}, "fp32")(model)
    assert set(scores) == {"a/auc", "a/policy_auc", "b/auc", "b/policy_auc", "score"}
    assert scores["score"] == pytest.approx((scores["a/auc"] + scores["b/auc"]) / 2, abs=1e-4)
    scored = score_episodes(model, collate, episodes[:2], precision="fp32")
    assert scores["a/auc"] == pytest.approx(auc(scored.labels, scored.logits), abs=1e-4)


def test_a_set_that_cannot_be_measured_does_not_blind_the_run(make_model, collate, episodes):
    safe = [replace(e, examples=tuple(x for x in e.examples if x.label == 0)) for e in episodes]
    scores = make_validation(collate, {"a": episodes, "one class": safe, "empty": []}, "fp32")(make_model())
    assert scores["score"] == scores["a/auc"]
    assert {name.partition("/")[0] for name in scores} == {"a", "score"}
