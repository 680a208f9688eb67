"""The split: groups stay together, both labels get their share."""

from __future__ import annotations

from collections import Counter

import pytest

from unigurd_trainer.sdg.samples import Provenance, Sample
from unigurd_trainer.sdg.split import split_samples


def samples(count, grouped=True):
    return [
        Sample("p", f"text {at}", at % 2, "", Provenance("toy"), group=f"g{at // 2}" if grouped else "")
        for at in range(count)
    ]


@pytest.mark.parametrize("grouped", [True, False])
def test_labels_get_their_share_and_nothing_is_lost(grouped):
    train, dev = split_samples(samples(200, grouped), 0.1)
    assert Counter(each.label for each in dev) == {0: 10, 1: 10}
    assert sorted(each.text for each in (*train, *dev)) == sorted(each.text for each in samples(200))


def test_twins_never_part():
    train, dev = split_samples(samples(200), 0.3, seed=5)
    assert not {each.group for each in train} & {each.group for each in dev}


def test_a_group_larger_than_dev_stays_in_train():
    rows = [Sample("p", f"t{at}", 0, "", Provenance("toy"), group="all") for at in range(50)]
    assert split_samples(rows, 0.1) == (rows, [])


def test_seed_and_share():
    assert split_samples(samples(100), 0.2, seed=1) == split_samples(samples(100), 0.2, seed=1)
    assert split_samples(samples(100), 0.2, seed=1) != split_samples(samples(100), 0.2, seed=2)
    assert split_samples(samples(100), 0.0)[1] == []
    assert split_samples([], 0.1) == ([], [])
