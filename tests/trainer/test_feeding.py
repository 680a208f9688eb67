"""Batches by step number: the same in this process as ahead of time in others."""

import pytest

torch = pytest.importorskip("torch")

from unigurd_trainer.compute import Compute  # noqa: E402
from unigurd_trainer.errors import TrainerError  # noqa: E402
from unigurd_trainer.feeding import Feed  # noqa: E402


def same(one, other):
    return (
        (one.examples, one.tokens, one.places) == (other.examples, other.tokens, other.places)
        and torch.equal(one.layout, other.layout)
        and all(torch.equal(a.input_ids, b.input_ids) for a, b in zip(one.texts, other.texts, strict=True))
    )


def test_workers_prepare_the_batches_that_this_process_would(make_setup):
    feed = make_setup().feed
    ahead = Feed(feed.source, feed.collate, feed.episodes, workers=2)
    pairs = list(zip(feed.steps(3, 8), ahead.steps(3, 8), strict=True))
    assert len(pairs) == 5
    assert all(same(one, other) for (one,), (other,) in pairs)


def test_a_step_holds_the_episodes_of_its_number(make_setup):
    feed = make_setup().feed
    expected = feed.collate([feed.source.episode(6), feed.source.episode(7)])
    assert feed.episodes == 2
    (batch,) = next(feed.steps(3, 4))
    assert same(batch, expected)


def test_a_gpu_that_is_not_there_is_refused(make_setup):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(TrainerError, match='Use "cpu"'):
        Compute("cuda").place(make_setup().model)
