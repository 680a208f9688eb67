"""The holdout keeps whole meanings, domains and policies out of training, the same way every time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unigurd_trainer.holdout import plan_holdout
from unigurd_trainer.rows import Behaviour, CellKey, ConditionedRow, IntentRow, PoolRow


def cell(domain, intent, *groups, usable=True):
    return Behaviour(CellKey("s", domain, intent), ("a", "b", "c", "d"), frozenset(groups), domain, usable)


def row(text, key, split="train"):
    return IntentRow(text, key, split, "s", "MIT")


CELLS = [cell("home", f"i{number}", f"g{number}", f"pair{number // 2}") for number in range(100)]
TRAVEL = [cell("travel", "hotel", "hotel-book"), cell("travel", "flight", "flight-book")]
BRIDGE = cell("home", "hotel too", "hotel-book", "other")
WRITTEN = ConditionedRow("tax", "text", 1, "direct", "f:1", "train", "seen", "sdg/f", "MIT")


@pytest.fixture
def holdout():
    return plan_holdout([*CELLS, *TRAVEL, BRIDGE], fraction=0.1, domains=frozenset({"travel"}))


def test_about_the_asked_fraction_of_intents_is_held_out(holdout):
    assert 8 <= len(holdout.intent_cells) <= 10


def test_no_trained_intent_has_a_held_out_meaning(holdout):
    assert all(not cell.groups & holdout.groups for cell in CELLS if cell.key in holdout.train_cells)


def test_no_two_sides_share_a_meaning(holdout):
    held = holdout.intent_cells | holdout.domain_cells | holdout.shadow_cells
    every = [*CELLS, *TRAVEL, BRIDGE]
    trained = set().union(*(cell.groups for cell in every if cell.key in holdout.train_cells))
    drawn = [cell for cell in every if cell.key in held]
    assert drawn
    assert all(cell.groups & holdout.groups for cell in drawn)
    assert not trained & holdout.groups


def test_intents_elsewhere_that_mean_the_same_as_a_held_out_domain_do_not_train(holdout):
    assert holdout.domain_cells == {cell.key for cell in TRAVEL}
    assert holdout.shadow_cells == {BRIDGE.key}
    assert BRIDGE.key not in holdout.train_cells


def test_every_intent_is_on_exactly_one_side(holdout):
    sides = [holdout.train_cells, holdout.intent_cells, holdout.domain_cells, holdout.shadow_cells]
    assert sum(map(len, sides)) == len(frozenset().union(*sides)) == len(CELLS) + len(TRAVEL) + 1


def test_the_holdout_does_not_depend_on_the_order_of_the_data(holdout):
    again = plan_holdout([BRIDGE, *TRAVEL, *CELLS[::-1]], fraction=0.1, domains=frozenset({"travel"}))
    assert again == holdout


def test_another_seed_holds_out_other_intents(holdout):
    other = plan_holdout([*CELLS, *TRAVEL, BRIDGE], fraction=0.1, domains=frozenset({"travel"}), seed=1)
    assert other.intent_cells != holdout.intent_cells


def test_a_fraction_of_zero_holds_out_no_intent():
    assert not plan_holdout(CELLS, fraction=0.0, domains=frozenset()).intent_cells


def test_test_texts_and_their_copies_do_not_train():
    key = CELLS[0].key
    holdout = plan_holdout(CELLS, [row("Lights  ON", key, "test")], fraction=0.0, domains=frozenset())
    assert not holdout.trains_intent(row("Lights  ON", key, "test"))
    assert not holdout.trains_intent(row("lights on", key))
    assert holdout.trains_intent(row("lights off", key))


@pytest.mark.parametrize("split", ["test", "test-finance", "TEST"])
def test_every_official_test_split_is_out(split):
    holdout = plan_holdout(CELLS, fraction=0.0, domains=frozenset())
    assert not holdout.trains_intent(row("lights", CELLS[0].key, split))


def test_prompts_of_a_held_out_domain_do_not_train(holdout):
    assert not holdout.trains_intent(row("book a flight", TRAVEL[1].key))


def test_rows_of_unseen_policies_and_of_the_dev_split_do_not_train():
    unseen = replace(WRITTEN, policy="vat", policy_split="unseen")
    holdout = plan_holdout(CELLS, conditioned=[WRITTEN, unseen], domains=frozenset())
    assert holdout.policies == {"vat"}
    assert holdout.trains_conditioned(replace(WRITTEN, text="new"))
    assert not holdout.trains_conditioned(replace(WRITTEN, split="dev", text="new"))
    assert not holdout.trains_conditioned(replace(WRITTEN, policy="vat", text="new"))


def test_a_question_whose_answer_measures_does_not_train_with_another_answer():
    dev = replace(WRITTEN, text="answer 1", prompt="q", split="dev")
    holdout = plan_holdout(CELLS, conditioned=[dev], domains=frozenset())
    assert not holdout.trains_conditioned(replace(WRITTEN, text="answer 2", prompt="q"))
    assert holdout.trains_conditioned(replace(WRITTEN, text="answer 2", prompt="another"))


def test_public_texts_of_the_dev_split_do_not_train_anywhere():
    public = PoolRow("some text", 1, "hate", "", "dev", "s", "MIT")
    holdout = plan_holdout(CELLS, pool=[public], domains=frozenset())
    assert not holdout.trains_pool(public)
    assert not holdout.trains_pool(replace(public, split="train", text="Some  text"))
    assert holdout.trains_pool(replace(public, split="train", text="other"))


def test_describe_counts_everything(holdout):
    counts = holdout.describe()
    assert counts["domain_cells"] == 2
    assert counts["train_cells"] == len(holdout.train_cells)
