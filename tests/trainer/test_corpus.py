"""The corpus: a data folder read once, and the hash that says which data a run saw."""

from __future__ import annotations

import shutil

import pytest

from unigurd_trainer.corpus import Corpus, data_hash
from unigurd_trainer.errors import DataError
from unigurd_trainer.mixture import trainable_pool, trainable_rows


@pytest.fixture
def data(tiny_data, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(tiny_data, tmp_path / "data")


def test_the_data_hash_is_of_names_and_contents(data, tmp_path):
    before = data_hash(data)
    assert before == data_hash(shutil.copytree(data, tmp_path / "copy"))
    (data / "sdg" / "more.jsonl").write_text("")
    more = data_hash(data)
    (data / "sdg" / "more.jsonl").write_text("{}")
    assert len({before, more, data_hash(data)}) == 3


def test_benchmarks_and_folders_are_not_part_of_the_data_hash(data):
    before = data_hash(data)
    (data / "dev").mkdir()
    (data / "dev" / "bench.jsonl").write_text("{}")
    (data / "sdg" / "drafts").mkdir()
    assert data_hash(data) == before


def test_no_row_of_an_excluded_policy_trains(data):
    everything, without = Corpus.read(data), Corpus.read(data, exclude=["tax", "hate"])
    for corpus, some in ((everything, True), (without, False)):
        assert any(row.policy == "tax" for row in trainable_rows(corpus.conditioned, corpus.holdout)) is some
        assert any(row.policy == "hate" for row in trainable_pool(corpus.pool, corpus.holdout)) is some
    assert any(row.label is None for row in trainable_pool(without.pool, without.holdout))


def test_a_policy_to_exclude_must_be_there(data):
    with pytest.raises(DataError, match="knitting"):
        Corpus.read(data, exclude=["tax", "knitting"])


def test_only_the_rows_of_the_policies_to_train_train(data):
    corpus = Corpus.read(data, only=["tax", "hate"])
    assert {row.policy for row in trainable_rows(corpus.conditioned, corpus.holdout)} == {"tax"}
    pool = trainable_pool(corpus.pool, corpus.holdout)
    assert {row.policy for row in pool if row.label is not None} == {"hate"}
    assert any(row.label is None for row in pool)
    with pytest.raises(DataError, match="to train only: knitting"):
        Corpus.read(data, only=["knitting"])
