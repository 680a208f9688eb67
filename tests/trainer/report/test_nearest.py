"""The nearest pairs across labels, within one policy and role."""

from __future__ import annotations

import numpy as np

from unigurd_trainer.dedup.records import Record
from unigurd_trainer.report.nearest import nearest_across


def circle(*degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_pairs_are_of_different_labels_and_one_policy_nearest_first():
    labels = [0, 0, 1, 1, 1]
    policies = ["x", "x", "x", "x", "y"]
    records = [Record("t", label, policy=policy) for label, policy in zip(labels, policies, strict=True)]
    pairs = nearest_across(records, circle(0, 80, 10, 85, 0), most=5)
    assert [(pair.safe, pair.unsafe) for pair in pairs] == [(1, 3), (0, 2)]
    assert pairs[0].cosine == 0.9962


def test_no_more_than_asked():
    records = [Record("t", number % 2) for number in range(40)]
    assert len(nearest_across(records, circle(*range(40)), most=7)) == 7


def test_one_label_has_no_pairs():
    assert nearest_across([Record("t", 0), Record("u", 0)], circle(0, 1), most=5) == ()
