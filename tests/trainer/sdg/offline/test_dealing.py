"""Dealing: no shelf crowds a line out, and the cap gives way only when nothing else is left."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from unigurd_sdk.policy import Policy
from unigurd_trainer.rows import Example
from unigurd_trainer.sdg.choosing import Choice
from unigurd_trainer.sdg.dealing import SHELF_SHARE, Shares, deal
from unigurd_trainer.sdg.targets import targets_of

POLICY = Policy(name="vet", description="A vet.", allowed=["Opening hours"], disallowed=["What illness an animal has"])
HALF = 20


def dealt(half=HALF, **shelves):
    """Deal from so many texts of each shelf for the disallowed line, and from enough for the other."""
    targets = targets_of(POLICY)
    allowed, disallowed = targets.lines
    counts = [("hours", 2 * half, allowed), *((name, count, disallowed) for name, count in shelves.items())]
    candidates = [
        Choice(Example(f"{shelf} {at}", line.label, "toy", "MIT"), line.label, line, 0.6, "listed", shelf=shelf)
        for shelf, count, line in counts
        for at in range(count)
    ]
    chosen = deal(POLICY, targets, candidates, Shares(0, 0, 0), half, random.Random(0))
    assert Counter(choice.label for choice in chosen) == {0: half, 1: half}
    return Counter(choice.shelf for choice in chosen if choice.target == disallowed)


def test_a_large_shelf_gives_no_more_than_its_share():
    assert dealt(small_talk=200, symptoms=12) == {"small_talk": SHELF_SHARE * HALF, "symptoms": HALF / 2}


def test_others_fill_up_together():
    counts = dealt(small_talk=200, symptoms=4, poisons=4, wounds=4)
    assert counts["small_talk"] <= SHELF_SHARE * HALF and sum(counts.values()) == HALF
    assert min(counts[name] for name in ("symptoms", "poisons", "wounds")) >= 1


def test_the_cap_gives_way_when_the_others_are_empty():
    assert dealt(small_talk=200, symptoms=3) == {"small_talk": HALF - 3, "symptoms": 3}


@pytest.mark.parametrize("half", [8, 20, 40])
def test_one_shelf_alone_gives_everything(half):
    assert dealt(half, symptoms=100) == {"symptoms": half}


def test_the_whole_generator_keeps_to_it(make_offline):
    from unigurd_trainer.sdg.hooks import Request
    from unigurd_trainer.sdg.offline import OfflineOptions

    policy = Policy(
        name="repairs", description="A desk.", kind="ban",
        allowed=["Asking to descale a kettle"], disallowed=["Asking to repair an oven or a stove"],
    )  # fmt: skip
    options = OfflineOptions(augment=0, referee=0, frames=0)
    samples = [*make_offline().generate(Request(policy, 24, options=options))]
    unsafe = [sample.text for sample in samples if sample.label and sample.control.style == "listed"]
    shelves = Counter("oven" if "oven" in text else "stove" if "stove" in text else "other" for text in unsafe)
    assert len(unsafe) >= 10 and max(shelves.values()) <= SHELF_SHARE * len(unsafe) + 1
