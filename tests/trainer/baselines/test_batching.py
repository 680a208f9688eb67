"""Items that come at the same time share batches, by size; an error goes to those it concerns."""

from __future__ import annotations

import asyncio

import pytest

from unigurd_trainer.baselines.batching import Batcher


def recorder(budget, fail=lambda batch: False):
    batches = []

    def run(items):
        batches.append([*items])
        if fail(items):
            raise ValueError("broken")
        return [item.upper() for item in items]

    return Batcher(run, len, budget), batches


async def test_items_are_batched_by_size_within_the_budget():
    batcher, batches = recorder(12)
    items = ["a", "bb", "cccccc", "dd", "eeeee", "f" * 20]
    assert await asyncio.gather(*map(batcher, items)) == [item.upper() for item in items]
    assert batches == [["f" * 20], ["cccccc", "eeeee"], ["bb", "dd", "a"]]
    assert all(len(batch) * max(map(len, batch)) <= 12 for batch in batches[1:])


async def test_an_error_goes_to_its_batch_only():
    batcher, _ = recorder(2, fail=lambda batch: "bb" in batch)
    outcomes = await asyncio.gather(batcher("a"), batcher("bb"), return_exceptions=True)
    assert outcomes[0] == "A" and isinstance(outcomes[1], ValueError)
    assert await batcher("c") == "C"


async def test_what_was_given_up_is_not_run():
    batcher, batches = recorder(100)
    given_up = asyncio.ensure_future(batcher("a"))
    await asyncio.sleep(0)
    given_up.cancel()
    assert await batcher("b") == "B"
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert ["a"] not in batches
