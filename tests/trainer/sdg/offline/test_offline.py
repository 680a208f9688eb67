"""The offline generator: balanced, honest about what is not near, and the same for the same seed."""

from __future__ import annotations

from collections import Counter

import pytest

from unigurd_sdk.policy import Policy
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.sdg.hooks import Generator, Request
from unigurd_trainer.sdg.offline import FLOORS, OfflineOptions


def made(generator, policy, count=40, seed=0, **options):
    chosen = OfflineOptions(**({"agreement": 0.5} | options))  # the referee of the tests is undecided
    return [*generator.generate(Request(policy, count, seed, options=chosen))]


def test_it_is_a_generator_of_its_name(make_offline):
    assert isinstance(make_offline(), Generator)
    assert make_offline().name == "offline"


def test_labels_are_balanced_and_texts_stand_for_their_line(make_offline, workshop):
    samples = made(make_offline(), workshop, augment=0, referee=0)
    assert Counter(sample.label for sample in samples) == {0: len(samples) // 2, 1: len(samples) // 2}
    assert len(samples) >= 30
    for sample in samples:
        if sample.control.style == "listed" and not sample.control.augment:
            assert sample.control.behaviour.split()[-1] in sample.text
            assert sample.control.listed == ("allowed", "disallowed")[sample.label]
            assert sample.control.behaviour in sample.rationale


def test_every_sample_names_source_licence_and_version(make_offline, workshop):
    for sample in made(make_offline(), workshop):
        assert sample.provenance.source and sample.provenance.licence
        assert (sample.provenance.generator, sample.provenance.template) == ("offline", "0" * 16)


def test_the_same_seed_gives_the_same_samples_and_another_does_not(make_offline, workshop):
    first, again = made(make_offline(), workshop, seed=1), made(make_offline(), workshop, seed=1)
    assert first == again
    assert first != made(make_offline(), workshop, seed=2)


def test_no_text_has_both_labels(make_offline, workshop):
    labels: dict[str, set[int]] = {}
    for sample in made(make_offline(), workshop, augment=0):
        labels.setdefault(sample.group, set()).add(sample.label)
    assert all(len(found) == 1 for found in labels.values())


def test_a_behaviour_that_is_not_near_is_made_of_its_own_words_and_reported(make_offline, workshop):
    generator = make_offline()
    samples = made(generator, workshop)
    (far,) = generator.statistics.far
    assert far.behaviour == "Asking about quantum chromodynamics" and far.near == 0
    assert any(far.behaviour in warning and "own words" in warning for warning in generator.statistics.warnings)
    frames = [sample for sample in samples if sample.control.behaviour == far.behaviour]
    assert frames and {sample.control.style for sample in frames} == {"frame"}
    assert all(sample.confidence <= 0.5 and "policy" in sample.provenance.source for sample in frames)


def test_nothing_near_is_an_error_with_the_figures(make_offline):
    policy = Policy(name="far", description="x y", allowed=["Telescopes"], disallowed=["Quantum chromodynamics"])
    with pytest.raises(RecipeError, match=r"near what the policy 'far' lists.*0 near texts"):
        made(make_offline(), policy)


def test_examples_of_the_user_come_as_they_are(make_offline, workshop):
    example = {"text": "Fix my cooker!", "label": "unsafe", "rationale": "It is an oven."}
    policy = Policy(**(workshop.model_dump() | {"examples": [example]}))
    (found,) = [sample for sample in made(make_offline(), policy, augment=1) if sample.text == "Fix my cooker!"]
    assert (found.label, found.rationale, found.confidence, found.control.augment) == (1, "It is an oven.", 1.0, "")


def test_texts_near_an_example_are_found_for_the_nearest_behaviour_of_its_side(make_offline, workshop):
    example = {"text": "Asking to prune a rose", "label": "unsafe"}
    policy = Policy(**(workshop.model_dump() | {"examples": [example]}))
    found = [sample for sample in made(make_offline(), policy, count=60, augment=0) if "prune a rose" in sample.text]
    assert len(found) > 5 and {sample.label for sample in found} == {1}
    assert {sample.control.behaviour for sample in found if sample.control.style == "listed"} <= set(policy.disallowed)


def test_a_scope_swaps_the_sides(make_offline):
    policy = Policy(name="roses", description="Only gardens.", kind="scope", allowed=["Asking to prune a rose"])
    samples = made(make_offline(), policy, augment=0, count=20)
    assert {sample.label for sample in samples if "rose" in sample.text} == {0}
    unsafe = [sample for sample in samples if sample.label == 1]
    assert unsafe and {sample.control.listed for sample in unsafe} == {"none"}
    assert all("permits only" in sample.rationale for sample in unsafe)


@pytest.mark.parametrize(("share", "least", "most"), [(0, 0.0, 0.0), (1, 0.8, 1.0)])
def test_the_share_of_changed_forms_is_recorded(make_offline, workshop, share, least, most):
    first = [sample for sample in made(make_offline(), workshop, count=20, augment=share) if sample.confidence > 0]
    changed = sum(bool(sample.control.augment) for sample in first) / len(first)
    assert least <= changed <= most


def test_the_referee_drops_what_it_disagrees_with_most(make_offline, workshop, agreeable):
    doubted = "how do i repair an oven near the harbour"
    assert doubted in {sample.text for sample in made(make_offline(), workshop, count=60, augment=0, referee=0)}
    referee = agreeable({doubted: 0.0})
    samples = made(make_offline(referee=referee), workshop, count=60, augment=0, referee=0.1)
    assert doubted in referee.seen
    assert not [sample for sample in samples if sample.text == doubted]


def test_what_the_referee_takes_for_the_other_label_goes_whatever_the_share(make_offline, workshop, agreeable):
    ovens = {sample.text for sample in made(make_offline(), workshop, count=60, augment=0) if "oven" in sample.text}
    doubted = {text for text in ovens if text.startswith("how do i")}
    generator = make_offline(referee=agreeable(dict.fromkeys(doubted, 0.45)))
    samples = made(generator, workshop, count=60, augment=0, referee=0.01)
    assert len(doubted) > 5 and not doubted & {sample.text for sample in samples}
    assert generator.statistics.doubted >= len(doubted)
    assert any("'Asking to repair an oven'" in text and "agrees" in text for text in generator.statistics.warnings)


def test_no_referee_is_asked_when_its_share_is_0(make_offline, workshop, agreeable):
    referee = agreeable()
    made(make_offline(referee=referee), workshop, referee=0, agreement=0.9)
    assert referee.seen == []


def test_the_floor_is_that_of_the_embedder_unless_one_is_given(make_offline, workshop, monkeypatch):
    assert OfflineOptions().least_nearness == FLOORS["guard"] > FLOORS["minilm"]
    assert OfflineOptions(embedder="minilm").least_nearness == FLOORS["minilm"]
    assert OfflineOptions(embedder="minilm", floor=0.5).least_nearness == 0.5
    monkeypatch.setitem(FLOORS, "minilm", 0.99)  # the same vectors, but nothing counts as near
    assert made(make_offline(), workshop)
    with pytest.raises(RecipeError, match="No packaged text is near"):
        made(make_offline(), workshop, embedder="minilm")


def test_a_shortage_is_a_warning(make_offline, workshop):
    generator = make_offline()
    samples = made(generator, workshop, count=2000)
    assert len(samples) < 1000
    assert any(f"{len(samples)} of 2000" in warning for warning in generator.statistics.warnings)


def test_the_account_counts_what_was_made(make_offline, workshop):
    generator = make_offline()
    samples = made(generator, workshop)
    record = generator.statistics.to_record()
    assert sum(record["made"].values()) == sum(record["kinds"].values()) == len(samples)
    assert [row["covered"] for row in record["coverage"]] == [True, True, True, False]


def test_options_of_another_generator_are_refused(make_offline, workshop):
    with pytest.raises(RecipeError, match="OfflineOptions"):
        list(make_offline().generate(Request(workshop, 10, options={"augment": 1})))


def test_a_policy_without_behaviours_is_refused(make_offline):
    with pytest.raises(RecipeError, match="names no behaviour"):
        made(make_offline(), Policy(name="vague", description="Be nice."))
