"""The account of a run that has parts."""

from __future__ import annotations

from unigurd_trainer.sdg.statistics import ReflectionRound, RunStatistics


def part(**counts):
    statistics = RunStatistics(requests=2, replayed=1, retries=3, cost=0.5, reflection=[ReflectionRound(0, 1, 10, 10)])
    statistics.made.update(counts)
    statistics.asked.update(counts)
    return statistics


def test_parts_add_up():
    whole = RunStatistics()
    for made in (part(safe=2, unsafe=1), part(unsafe=2)):
        whole.add(made)
    assert whole.made == whole.asked == {"safe": 2, "unsafe": 3}
    assert (whole.requests, whole.replayed, whole.cost, whole.retries) == (4, 2, 1.0, 3)
    assert not whole.complete


def test_rounds_of_reflection_add_up_by_their_number():
    whole, longer = RunStatistics(), part()
    longer.reflection = [ReflectionRound(0, total=10, disagreements=4), ReflectionRound(1, total=10, flipped=1)]
    whole.add(part())
    whole.add(longer)
    assert [(each.round, each.total, each.flipped) for each in whole.reflection] == [(0, 20, 0), (1, 10, 1)]
    assert whole.reflection[0].rate == 0.2 and whole.to_record()["reflection"][1]["rate"] == 0.0
