"""Means with Student's intervals."""

import math

import pytest

from unigurd_trainer.ablation.intervals import mean_of


def test_the_interval_of_three_values_is_students():
    found = mean_of([0.8, 0.9, 1.0])
    assert found.value == pytest.approx(0.9)
    assert found.half == pytest.approx(4.303 * 0.1 / math.sqrt(3))
    assert str(found) == "0.900 ± 0.248"


def test_one_value_has_no_interval():
    assert math.isnan(mean_of([0.5]).half)
    assert str(mean_of([0.5])) == "0.500"
