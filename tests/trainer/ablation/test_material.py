"""Material of a task: what measures never trains, small samples lie within larger ones, both labels come."""

import pytest

from unigurd_trainer.ablation.material import draw, material_of
from unigurd_trainer.corpus import Corpus
from unigurd_trainer.errors import DataError
from unigurd_trainer.rows import Example


@pytest.fixture(scope="module")
def corpus(tiny_data):
    return Corpus.read(tiny_data)


@pytest.mark.parametrize("name", ["tax", "hate"])
def test_no_text_and_no_group_is_on_both_sides(corpus, name):
    found = material_of(name, corpus)
    assert found.train and found.test
    assert not {row.text for row in found.train} & {row.text for row in found.test}
    groups = [{row.group for row in side if row.group} for side in (found.train, found.test)]
    assert not groups[0] & groups[1]
    assert found.policy.name == name


def test_a_larger_sample_holds_the_smaller_one_and_dev_is_apart(corpus):
    found = material_of("hate", corpus)
    found = type(found)(found.policy, found.train * 1, found.test)
    small, large = (found.sample(size, seed=3) for size in (2, 6))
    assert set(small.train) <= set(large.train)
    assert len(large.train) == 6
    assert not set(large.train) & set(large.dev)
    assert {row.label for row in small.train} == {0, 1}


def test_a_sample_that_is_too_large_says_what_there_is(corpus):
    with pytest.raises(DataError, match="to train take"):
        material_of("tax", corpus).sample(1000, 0)


def test_an_unknown_policy_is_named(corpus):
    with pytest.raises(DataError, match="knitting"):
        material_of("knitting", corpus)


def test_labels_come_in_turn_until_one_runs_out():
    rows = [Example(str(n), int(n < 2), "s", "MIT") for n in range(6)]
    assert [row.label for row in draw(rows, 5)] == [1, 0, 1, 0, 0]
