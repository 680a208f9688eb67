"""Evaluation sets measure what was held out, with texts that never train, the same way every time."""

from __future__ import annotations

import pytest

from unigurd_sdk.policy import Policy
from unigurd_trainer.corpus import Corpus
from unigurd_trainer.evalsets import build_evaluation_sets
from unigurd_trainer.holdout import plan_holdout
from unigurd_trainer.leakage import check_leakage
from unigurd_trainer.mixture import MixtureSettings
from unigurd_trainer.rows import Behaviour, CellKey, ConditionedRow, IntentRow, PoolRow
from unigurd_trainer.skeletons import Skeleton

FORMS = ("gerund", "noun", "clause", "bullet")
DOMAINS = ("home", "bank", "car", "travel")


def cell(domain, number):
    name = f"{domain}-{number}"
    phrasings = tuple(f"{form} of {name}" for form in FORMS)
    return Behaviour(CellKey("s", domain, name), phrasings, frozenset({name}), domain)


def skeleton(kind, unlisted, text):
    places = [place for place in ("allowed", "disallowed") if place in text]
    return Skeleton(kind, kind, text, dict.fromkeys(places, "semicolons"), FORMS, 1, 4, unlisted)


def written(policy, number, split, policy_split):
    group = f"{policy}:{number // 2}"
    text = f"{policy} {split} {number}"
    return ConditionedRow(policy, text, number % 2, "direct", group, split, policy_split, "sdg", "MIT")


@pytest.fixture(scope="module")
def corpus():
    cells = tuple(cell(domain, number) for domain in DOMAINS for number in range(8))
    intents = tuple(
        IntentRow(f"{cell.key.intent} {split} text {number}", cell.key, split, "s", "MIT")
        for cell in cells
        for split in ("train", "test")
        for number in range(20)
    )
    conditioned = tuple(
        written(policy, number, "dev" if number < 10 else "train", seen)
        for policy, seen in (("tax", "seen"), ("vat", "unseen"))
        for number in range(30)
    )
    pool = tuple(
        PoolRow(f"hate {split} {number}", number % 2, "hate", "", split, "s", "MIT")
        for split in ("train", "dev")
        for number in range(150)
    )
    pool += tuple(
        PoolRow(f"zebra {split} {number}", None, "", "", split, "chat", "MIT")
        for split in ("train", "dev")
        for number in range(40)
    )
    skeletons = (
        skeleton("ban", "allowed", "No {disallowed}."),
        skeleton("scope", "disallowed", "Only {allowed}."),
        skeleton("mixed", "allowed", "Yes {allowed}, no {disallowed}."),
    )
    policies = {name: Policy(name=name, description=f"No {name}.") for name in ("tax", "vat", "hate")}
    holdout = plan_holdout(cells, intents, conditioned, pool, fraction=0.2, domains=frozenset({"travel"}))
    return Corpus(cells, intents, skeletons, policies, conditioned, pool, holdout)


@pytest.fixture(scope="module")
def sets(corpus):
    return build_evaluation_sets(corpus, corpus.holdout, max_rows=160)


def texts(episodes):
    return [example.text for episode in episodes for example in episode.examples]


def test_all_sets_are_there_and_bounded(sets):
    assert list(sets) == [
        "gip-unseen-policy", "gip-unseen-intent", "gip-unseen-domain",
        "sdg-dev", "sdg-unseen", "pool-dev/hate",
    ]  # fmt: skip
    assert all(0 < len(texts(episodes)) <= 160 for episodes in sets.values())


def test_nothing_that_measures_trains(corpus, sets):
    mixture = corpus.mixture(settings=MixtureSettings(shares={"composed": 1, "conditioned": 1, "pool": 1, "cross": 1}))
    train = [example for index in range(400) for example in mixture.episode(index).examples]
    for episodes in sets.values():
        assert not check_leakage(train, [example for episode in episodes for example in episode.examples])


def test_new_policies_are_about_trained_intents_in_test_texts(corpus, sets):
    trained = {key.intent for key in corpus.holdout.train_cells}
    for text in texts(sets["gip-unseen-policy"]):
        assert text.startswith("zebra dev") or (" test " in text and text.split(" ")[0] in trained)


@pytest.mark.parametrize(
    ("name", "side"),
    [("gip-unseen-intent", "intent_cells"), ("gip-unseen-domain", "domain_cells")],
)
def test_what_decides_is_held_out(corpus, sets, name, side):
    held = {key.intent for key in getattr(corpus.holdout, side)}
    for episode in sets[name]:
        if episode.policy.kind != "mixed":
            decided = 1 if episode.policy.kind == "ban" else 0
            assert {row.text.split(" ")[0] for row in episode.examples if row.label == decided} <= held


def test_unseen_policies_measure_with_all_their_rows(sets):
    (episode,) = sets["sdg-unseen"]
    assert episode.policy.name == "vat"
    assert len(episode.examples) == 30


def test_seen_policies_measure_with_their_dev_rows(sets):
    (episode,) = sets["sdg-dev"]
    assert sorted(texts([episode])) == sorted(f"tax dev {number}" for number in range(10))


def test_public_rows_come_in_episodes_of_bearable_size(sets):
    assert max(len(episode.examples) for episode in sets["pool-dev/hate"]) <= 64
    assert set(texts(sets["pool-dev/hate"])) == {f"hate dev {number}" for number in range(150)}


def test_the_sets_are_the_same_every_time(corpus, sets):
    assert build_evaluation_sets(corpus, corpus.holdout, max_rows=160) == sets
    assert build_evaluation_sets(corpus, corpus.holdout, 1, max_rows=160) != sets
