"""Commissions: every field and kind in turn, the same for the same seed."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from unigurd_trainer.sdg.taxonomy import CONCERNS, DOMAINS, KINDS, OPERATORS, commissions


def test_every_field_has_every_kind_before_any_comes_again():
    size = len(DOMAINS) * len(KINDS)
    cells = Counter((each.domain, each.kind) for each in islice(commissions(0), 2 * size))
    assert set(cells.values()) == {2} and len(cells) == size


def test_a_field_meets_other_operators_and_concerns_the_next_time():
    size = len(DOMAINS) * len(KINDS)
    made = [*islice(commissions(0), 2 * size)]
    assert len(set(made)) > 1.9 * size
    assert {each.operator for each in made} == {*OPERATORS} and {each.concern for each in made} == {*CONCERNS}


def test_seeds():
    first, again, other = ([*islice(commissions(seed), 30)] for seed in (1, 1, 2))
    assert first == again != other
