"""Validation rows and their splits: disjoint, by group, deterministic; no row of a test split."""

import json

import pytest

pytest.importorskip("torch")

from unigurd_sdk import Policy
from unigurd_trainer.errors import DataError, LeakageError, RecipeError
from unigurd_trainer.leakage import normalised
from unigurd_trainer.measure.sets import half
from unigurd_trainer.rows import Example
from unigurd_trainer.search.recipe import FileRecipe, RowsRecipe
from unigurd_trainer.search.rows import read_validation
from unigurd_trainer.search.splits import OTHERS, first_of, make_splits, split_of
from unigurd_trainer.search.wording import require_wordings, worded

NAMES = ("hate", "tax", *(f"rare-{number}" for number in range(30)))
POLICIES = {name: Policy(name=name, description=f"No {name}.", disallowed=[f"asking for {name}"]) for name in NAMES}


def rows():
    for name, count in [("hate", 400), ("tax", 300), *((f"rare-{number}", 8) for number in range(30))]:
        for number in range(count):
            text = f"{name} {number // 2} {'bad' if number % 2 else 'good'}"
            yield POLICIES[name], Example(text, number % 2, "toy", "MIT", group=f"{name}/{number // 2}")


def recipe(**changes):
    return RowsRecipe.model_validate({"search": 120, "threshold": 60, "report": 90, "least": 10} | changes)


def test_no_group_and_no_text_stands_in_two_splits():
    splits = make_splits(rows(), recipe(search=10_000, threshold=10_000, report=10_000))
    for key in (lambda row: row.example.group, lambda row: normalised(row.example.text)):
        sides = [set(map(key, splits.rows[split])) for split in ("search", "threshold", "report")]
        assert sum(map(len, sides)) == len(set().union(*sides))
        assert all(sides)
    assert sum(map(len, splits.rows.values())) == 400 + 300 + 240


def test_the_report_split_is_within_the_half_that_evaluate_reports():
    splits = make_splits(rows(), recipe())
    for split, kept in splits.rows.items():
        sides = {half(row.example.text, row.example.group) for row in kept}
        assert sides == {"report" if split == "report" else "calibrate"}
        assert {split_of(row.example) for row in kept} == {split}


def test_a_text_of_two_groups_stays_where_nothing_is_chosen():
    twice = [(POLICIES["hate"], Example("the same text", 1, "toy", "MIT", group=f"g{number}")) for number in range(40)]
    splits = make_splits([*rows(), *twice], recipe(search=10_000, threshold=10_000, report=10_000))
    counts = {name: sum(r.example.text == "the same text" for r in kept) for name, kept in splits.rows.items()}
    assert counts == {"search": 0, "threshold": 0, "report": 1}


def test_groups_get_even_shares_and_rare_policies_count_together():
    splits = make_splits(rows(), recipe())
    assert splits.groups == ("hate", OTHERS, "tax")
    assert splits.counts()["search"] == {"hate": 40, OTHERS: 40, "tax": 40}
    others = [row.policy.name for row in splits.rows["search"] if row.group == OTHERS]
    assert sum(one != other for one, other in zip(others, others[1:], strict=False)) == len(set(others)) - 1


def test_one_policy_may_be_the_objective():
    splits = make_splits(rows(), recipe(), "tax")
    assert splits.groups == ("tax",)
    with pytest.raises(RecipeError, match="'rare-1' is no policy with 10 rows of each class; those are: hate, tax"):
        make_splits(rows(), recipe(), "rare-1")


def test_the_same_rows_in_another_order_are_the_same_splits():
    assert make_splits(reversed([*rows()]), recipe()).fingerprint == make_splits(rows(), recipe()).fingerprint
    assert make_splits(rows(), recipe(search=121)).fingerprint != make_splits(rows(), recipe()).fingerprint


def test_the_first_rows_are_of_all_groups():
    splits = make_splits(rows(), recipe())
    first, rest = first_of(splits.rows["search"], 30)
    assert [sum(row.group == group for row in first) for group in splits.groups] == [10, 10, 10]
    assert len(first) + len(rest) == 120
    assert {*map(id, first), *map(id, rest)} == {*map(id, splits.rows["search"])}


def test_a_class_that_is_missing_is_an_error():
    with pytest.raises(DataError, match="split has .* rows and not both classes"):
        make_splits([pair for pair in rows() if pair[1].label], recipe(least=1))


def test_only_dev_rows_of_policies_that_train_are_read(tiny_data):
    found = [*read_validation(RowsRecipe(), tiny_data)]
    assert {policy.name for policy, _ in found} == {"tax", "hate"}
    assert len(found) == 8 + 32
    only = [*read_validation(RowsRecipe(public=False), tiny_data)]
    assert {policy.name for policy, _ in only} == {"tax"}
    with pytest.raises(DataError, match="no validation rows are of the policies vat"):
        read_validation(RowsRecipe(policies=("vat",)), tiny_data)
    with pytest.raises(RecipeError, match="takes rows of a data folder"):
        read_validation(RowsRecipe(), None)


def write(path, split=""):
    path.parent.mkdir(exist_ok=True)
    lines = ({"text": f"text {n}", "label": n % 2, "split": split} for n in range(40))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def of(path, **values):
    return RowsRecipe(written=False, public=False, files=(FileRecipe(path=str(path), policy="hate", **values),))


def test_a_file_gives_what_fine_tuning_holds_out(tmp_path):
    file = write(tmp_path / "mine.jsonl")
    held_out = [example.text for _, example in read_validation(of(file), None)]
    assert 0 < len(held_out) < 20
    assert len([*read_validation(of(file, rows="all"), None)]) == 40


def test_rows_of_a_test_split_may_not_choose(tmp_path, tiny_data):
    with pytest.raises(LeakageError, match="mine.jsonl, line 1: a row of a test split"):
        read_validation(of(write(tmp_path / "mine.jsonl", "test")), None)
    with pytest.raises(LeakageError, match="is a test split by its name"):
        read_validation(of(write(tmp_path / "hate-test.jsonl")), None)
    with pytest.raises(LeakageError, match="is a test split by its name"):
        read_validation(of(write(tmp_path / "test" / "a.jsonl").parent), None)


def test_policies_are_given_in_other_words():
    policy = POLICIES["hate"]
    assert worded(policy, "written") is policy
    assert worded(policy, "description").disallowed == ()
    other = worded(policy, "Nobody may be insulted here.")
    assert (other.name, other.description) == ("hate", "Nobody may be insulted here.")
    require_wordings(["written", "description"], POLICIES.values())
    with pytest.raises(RecipeError, match="words one policy, and the rows are of 32"):
        require_wordings(["Nobody may be insulted here."], POLICIES.values())
