"""The pipeline: what is kept, what is dropped for which, what a person should see; whatever the order of rows."""

from __future__ import annotations

import random

import numpy as np
import pytest

from unigurd_sdk.errors import ConfigError, MissingExtra
from unigurd_sdk.policy import Policy
from unigurd_trainer.dedup.entry import Entry, of_policy, of_sample
from unigurd_trainer.dedup.pipeline import Options, deduplicate
from unigurd_trainer.errors import DataError
from unigurd_trainer.sdg.samples import Provenance, Sample


def entries(*rows):
    """Rows of text, label, confidence; their ids are a, b, c, ..."""
    return [Entry(chr(97 + number), *row) for number, row in enumerate(rows)]


def drops(outcome):
    return {(drop.id, drop.tier, drop.kept) for drop in outcome.drops()}


def reviews(outcome):
    return {(*review.ids, review.tier, review.similarity) for review in outcome.reviews}


LONG = "one two three four five six seven eight nine ten eleven twelve"
NEAR = f"{LONG} thirteen"  # ten of eleven shingles


def test_each_tier_names_what_it_drops_and_for_which(angles):
    rows = entries([f"{LONG} 0"], [f"{LONG.upper()}  0"], [f"{NEAR} 0"], ["nothing in common 10"], ["far 90"])
    outcome = deduplicate(rows, embedder=angles, options=Options(jaccard=0.7))
    assert drops(outcome) == {("b", "exact", "a"), ("c", "lexical", "a"), ("d", "semantic", "a")}
    assert outcome.counts == {"rows": 5, "kept": 2, "exact": 1, "lexical": 1, "semantic": 1, "review": 0}
    assert outcome.keeps.tolist() == [True, False, False, False, True]


def test_without_an_embedder_there_are_two_tiers():
    assert drops(deduplicate(entries(["x 1"], ["y 1"], ["X 1"]))) == {("c", "exact", "a")}


def test_the_most_confident_is_kept_then_the_smallest_id():
    rows = [Entry("c", "same", 0, 0.5), Entry("b", "same", 0, 0.9), Entry("a", "same", 0, 0.9)]
    assert drops(deduplicate(rows)) == {("c", "exact", "a"), ("b", "exact", "a")}


def test_what_is_kept_instead_is_itself_kept(angles):
    rows = [Entry("a", "mean 5", 0, 0.9), Entry("b", f"{LONG} 0", 0, 0.5), Entry("c", f"{LONG}  0", 0, 0.4)]
    assert drops(deduplicate(rows, embedder=angles)) == {("b", "semantic", "a"), ("c", "exact", "a")}


@pytest.mark.parametrize(
    ("texts", "tier", "similarity"),
    [
        (("Same 0", "same  0"), "exact", 1.0),
        ((f"{LONG} 0", f"{NEAR} 0"), "lexical", None),
        (("x 0", "y 5"), "semantic", 0.9962),
    ],
)
def test_labels_that_differ_go_to_review_and_nothing_is_dropped(angles, texts, tier, similarity):
    outcome = deduplicate(entries([texts[0], 0], [texts[1], 1]), embedder=angles, options=Options(jaccard=0.7))
    assert drops(outcome) == set()
    ((*ids, found, value),) = reviews(outcome)
    assert (ids, found) == (["a", "b"], tier)
    assert value == (similarity if similarity else pytest.approx(0.77, abs=0.03))


def test_labels_that_differ_need_a_higher_cosine(angles):
    rows = entries(["x 0", 0], ["y 20", 1])  # a cosine of .94
    assert reviews(deduplicate(rows, embedder=angles)) == set()
    assert reviews(deduplicate(rows, embedder=angles, options=Options(review=0.9))) == {("a", "b", "semantic", 0.9397)}


def test_a_review_names_kept_rows_once(angles):
    rows = entries(["same 0", 0], ["Same 0", 0], ["SAME 0", 1], ["same  0", 1], ["like 3", 1])
    outcome = deduplicate(rows, embedder=angles)
    assert reviews(outcome) == {("a", "c", "exact", 1.0)}
    assert drops(outcome) == {("b", "exact", "a"), ("d", "exact", "c"), ("e", "semantic", "c")}


def test_scopes_are_never_compared(angles):
    rows = [Entry("a", "same 0", scope="tax"), Entry("b", "same 0", scope="law"), Entry("c", "like 1", scope="law")]
    assert drops(deduplicate(rows, embedder=angles)) == {("c", "semantic", "b")}


def test_only_what_the_first_tiers_keep_is_embedded(angles):
    deduplicate(entries(["x 0"], ["X 0"], ["y 90"]), embedder=angles)
    assert sorted(angles.asked) == ["x 0", "y 90"]


def test_components_take_a_chain_whole_and_greedy_leaves_its_ends(angles):
    chain = entries(["x 0"], ["y 24.5"], ["z 49"])
    assert deduplicate(chain, embedder=angles).counts["kept"] == 1
    greedy = deduplicate(chain, embedder=angles, options=Options(greedy=True))
    assert drops(greedy) == {("b", "semantic", "a")}


def test_the_order_of_rows_does_not_matter(angles, make_text):
    rng = random.Random(3)
    texts = [make_text(20) for _ in range(60)]
    texts += [make_text(20, like=text) for text in texts[:20]] + [text.upper() for text in texts[10:40]]
    rows = [
        Entry(
            f"{rng.randrange(40):02}", f"{text} {rng.randrange(360)}", rng.randrange(2), rng.choice((0.5, 1.0)), tie=n
        )
        for n, text in enumerate(texts)
    ]
    results = []
    for _ in range(4):
        rng.shuffle(rows)
        outcome = deduplicate(rows, embedder=angles, options=Options(jaccard=0.7))
        kept = {row.tie for row, keep in zip(rows, outcome.keeps, strict=True) if keep}
        pairs = {(frozenset(rows[row].tie for row in each.rows), each.tier) for each in outcome.reviews}
        results.append(
            (kept, {(rows[drop.row].tie, drop.tier, rows[drop.kept_row].tie) for drop in outcome.drops()}, pairs)
        )
    assert results[0] == results[1] == results[2] == results[3]
    assert 0 < len(results[0][0]) < len(rows)


def test_no_rows_are_no_outcome(angles):
    outcome = deduplicate([], embedder=angles)
    assert (outcome.keeps.tolist(), list(outcome.drops()), outcome.reviews) == ([], [], ())


def test_samples_are_compared_by_policy_role_and_prompt():
    made = Provenance("offline")
    samples = [
        Sample("tax", "Yes.", 0, "r", made, role="assistant", prompt="May I?"),
        Sample("tax", "yes.", 0, "r", made, role="assistant", prompt="may I?"),
        Sample("tax", "Yes.", 0, "r", made, role="assistant", prompt="Should I?"),
        Sample("law", "Yes.", 0, "r", made, role="assistant", prompt="May I?"),
        Sample("tax", "May I? Yes.", 0, "r", made),
    ]
    outcome = deduplicate([of_sample(sample) for sample in samples])
    assert outcome.counts["exact"] == 1
    assert outcome.keeps[2:].all()


def test_policies_are_compared_by_their_description(angles):
    texts = {"a": "No politics. 0", "b": "no  politics. 0", "c": "No parties. 8", "d": "No cars. 90"}
    policies = [Policy(name=name, description=text, disallowed=[name]) for name, text in texts.items()]
    outcome = deduplicate([of_policy(policy) for policy in policies], embedder=angles)
    assert drops(outcome) == {("b", "exact", "a"), ("c", "semantic", "a")}


def test_an_iterator_is_refused_since_rows_are_read_twice():
    with pytest.raises(ConfigError, match="reads its rows twice"):
        deduplicate(iter(entries(["x"])))


def test_rows_that_change_between_the_readings_are_an_error(angles):
    class Shrinking:
        size = 3

        def __iter__(self):
            self.size -= 1
            return iter(entries(["x 0"], ["y 90"], ["z 180"])[: self.size])

    with pytest.raises(DataError, match="2 rows were read first and 1 then"):
        deduplicate(Shrinking(), embedder=angles)


@pytest.mark.parametrize("wrong", [{"tau": 0}, {"tau": 1.1}, {"jaccard": -1}, {"review": float("nan")}, {"batch": 1}])
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Options(**wrong)


def test_an_embedder_that_does_not_normalise_is_refused():
    class Long:
        def embed(self, texts):
            return np.full((len(texts), 2), 3.0, np.float32)

    with pytest.raises(DataError, match="length 1"):
        deduplicate(entries(["x"]), embedder=Long())


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rensa", None)
    with pytest.raises(MissingExtra, match=r"'rensa'.*unigurd-sdk\[sdg\]"):
        deduplicate(entries(["x"]))
