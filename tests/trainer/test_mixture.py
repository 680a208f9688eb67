"""The training stream: random access, epochs of written rows, balance, and nothing held out."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import replace

import pytest

from unigurd_sdk.policy import Policy
from unigurd_trainer.bank import Bank
from unigurd_trainer.compose import Composer, ComposeSettings
from unigurd_trainer.deck import Deck
from unigurd_trainer.errors import DataError, LeakageError
from unigurd_trainer.holdout import plan_holdout
from unigurd_trainer.mixture import Mixture, MixtureSettings, trainable_intents, trainable_rows
from unigurd_trainer.rows import Behaviour, CellKey, ConditionedRow, DevRow, IntentRow, PoolRow
from unigurd_trainer.skeletons import Skeleton
from unigurd_trainer.urn import Urn


def cell(domain, number):
    name = f"{domain}{number}"
    phrasings = tuple(f"{name} {form}" for form in "abcd")
    return Behaviour(CellKey("s", domain, name), phrasings, frozenset({name}), domain)


CELLS = [cell(domain, number) for domain in ("home", "bank") for number in range(5)]
INTENTS = [
    IntentRow(f"{cell.key.intent} text {number}", cell.key, "train", "s", "MIT")
    for cell in CELLS
    for number in range(20)
]
BAN = Skeleton("ban", "ban", "Refuse {disallowed}.", {"disallowed": "semicolons"}, ("gerund",), 1, 4, "allowed")
POLICIES = {
    name: Policy(name=name, description=f"No {name}.", allowed=("one", "two", "three"), disallowed=("four", "five"))
    for name in ("tax", "legal", "hate", "prompt-injection", "unseen")
}


def written(policy, number, **changes):
    fields = {
        "policy": policy, "text": f"{policy} written {number}", "label": number % 2, "kind": "direct",
        "group": f"{policy}:{number // 2}", "split": "train", "policy_split": "seen",
        "source": "sdg/x", "licence": "MIT",
    }  # fmt: skip
    return ConditionedRow(**(fields | changes))


WRITTEN = [written("tax", number) for number in range(50)] + [written("legal", number) for number in range(10)]
PUBLIC = [
    PoolRow(f"{policy} public {label} {number}", label, policy, "", "train", f"src{number % 3}", "MIT")
    for policy in ("hate", "prompt-injection")
    for label in (0, 1)
    for number in range(60)
]
CHAT = [PoolRow(f"chat zebra {number}", None, "", "", "train", "chat", "CC0-1.0") for number in range(50)]
NOTHING_HELD_OUT = plan_holdout(CELLS, fraction=0.0, domains=frozenset())


def mixture(
    conditioned=WRITTEN,
    pool=(*PUBLIC, *CHAT),
    holdout=NOTHING_HELD_OUT,
    seed=0,
    policies=POLICIES,
    **settings,
):
    composer = Composer(
        Bank(CELLS, INTENTS, CHAT),
        [BAN],
        seed=seed,
        settings=ComposeSettings(kinds={"ban": 1.0}, augment=0.0),
    )
    return Mixture(composer, conditioned, pool, policies, holdout, seed=seed, settings=MixtureSettings(**settings))


def only(kind, **settings):
    return mixture(shares={kind: 1.0}, **settings)


def test_any_episode_can_be_had_in_any_order():
    one, two = mixture(), mixture()
    forward = [one.episode(index) for index in range(220)]
    assert [two.episode(index) for index in reversed(range(220))] == forward[::-1]
    stream = two.stream(start=150)
    assert [next(stream) for _ in range(5)] == forward[150:155]


def test_another_seed_is_another_stream():
    assert [mixture(seed=1).episode(i) for i in range(5)] != [mixture().episode(i) for i in range(5)]


def test_kinds_come_in_the_asked_shares():
    one = mixture(shares={"composed": 0.5, "conditioned": 0.3, "pool": 0.2})
    assert Counter(one.episode(index).kind for index in range(200)) == {
        "composed": 100,
        "conditioned": 60,
        "pool": 40,
    }


def test_an_epoch_has_every_written_row_once_under_its_policy():
    one = only("conditioned")
    episodes = [one.episode(index) for index in range(one.describe()["conditioned/episodes"])]
    texts = Counter(example.text for episode in episodes for example in episode.examples)
    assert texts == Counter(row.text for row in WRITTEN)
    assert all(example.text.startswith(episode.policy.name) for episode in episodes for example in episode.examples)
    assert max(len(episode.examples) for episode in episodes) <= 16


def test_a_rationale_stays_with_the_policy_that_it_is_about():
    explained = [replace(row, rationale=f"why of {row.policy}") for row in WRITTEN]
    written, cross, pool = (mixture(explained, shares={kind: 1.0}) for kind in ("conditioned", "cross", "pool"))
    for index in range(40):
        episode = written.episode(index)
        assert {example.rationale for example in episode.examples} == {f"why of {episode.policy.name}"}
        for other in (cross, pool):
            assert {example.rationale for example in other.episode(index).examples} == {None}


def test_the_next_epoch_deals_the_same_rows_otherwise():
    one = only("conditioned")
    size = one.describe()["conditioned/episodes"]
    first, second = ([one.episode(start + index).examples for index in range(size)] for start in (0, size))
    assert first != second
    assert {row.text for rows in first for row in rows} == {row.text for rows in second for row in rows}


def test_twins_stay_in_one_episode():
    one = only("conditioned")
    episodes = range(one.describe()["conditioned/episodes"])
    where = defaultdict(set)
    for index in episodes:
        for example in one.episode(index).examples:
            where[example.group].add(index)
    assert where
    assert all(len(places) == 1 for places in where.values())


@pytest.mark.parametrize(("rows", "size"), [(1, 16), (16, 16), (17, 16), (100, 16), (100, 4), (33, 8)])
def test_a_hand_never_exceeds_its_size(rows, size):
    deck = Deck([written("tax", number) for number in range(rows)], size=size)
    hands = [deck.deal(number)[1] for number in range(2 * len(deck))]
    assert max(map(len, hands)) <= size
    assert sum(map(len, hands)) == 2 * rows


def test_answers_to_one_question_are_twins():
    rows = [written("tax", n, group=f"g{n}", prompt=f"q{n // 4}", role="assistant") for n in range(40)]
    deck = Deck(rows, size=16)
    for number in range(len(deck)):
        questions = Counter(row.prompt for row in deck.deal(number)[1])
        assert set(questions.values()) == {4}


def test_a_written_policy_keeps_its_lines_and_description_or_loses_both_lists():
    seen = set()
    one = only("conditioned", drop_lists=0.5)
    for index in range(60):
        policy = one.episode(index).policy
        whole = POLICIES[policy.name]
        assert policy.description == whole.description
        if policy.allowed or policy.disallowed:
            assert sorted(policy.allowed) == sorted(whole.allowed)
            assert sorted(policy.disallowed) == sorted(whole.disallowed)
        seen.add(policy.allowed)
    assert () in seen
    assert len(seen) > 3


def test_public_episodes_are_balanced_and_stay_under_their_policy():
    one = only("pool", pool_shares={"hate": 1.0, "prompt-injection": 1.0}, chat_share=0.0)
    labels: Counter[int] = Counter()
    for index in range(60):
        episode = one.episode(index)
        assert all(example.text.startswith(episode.policy.name) for example in episode.examples)
        labels.update(example.label for example in episode.examples)
    assert 0.45 < labels[1] / labels.total() < 0.55


def test_chat_is_presumed_safe_for_a_part_of_the_texts_where_asked():
    one = only("pool", pool_shares={"hate": 1.0, "prompt-injection": 1.0}, chat_policies=frozenset({"hate"}))
    found: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for index in range(100):
        episode = one.episode(index)
        chat = [example for example in episode.examples if example.source == "chat"]
        assert not any(example.label for example in chat)
        found[episode.policy.name] += len(chat)
        total[episode.policy.name] += len(episode.examples)
    assert found["prompt-injection"] == 0
    assert 0.1 < found["hate"] / total["hate"] < 0.25


def test_cross_episodes_have_texts_of_other_policies_as_safe_ones():
    one = only("cross")
    strangers = [
        example
        for index in range(40)
        for example in one.episode(index).examples
        if "written" in example.text or "public" in example.text
    ]
    assert len(strangers) > 40
    assert {example.label for example in strangers} == {0}


def test_documents_are_sometimes_shown_as_the_users_text():
    rows = [replace(row, role="document") for row in WRITTEN]
    one = only("conditioned", conditioned=rows, document_as_user=0.5)
    roles = Counter(example.role for index in range(20) for example in one.episode(index).examples)
    assert set(roles) == {"document", "user"}
    assert {x.role for x in only("conditioned", conditioned=rows, document_as_user=0.0).episode(0).examples} == {
        "document"
    }


def test_nothing_held_out_is_in_the_stream():
    held = [
        written("unseen", 1, policy_split="unseen"),
        written("tax", 200, split="dev", text="dev text"),
        written("tax", 201, text="Dev  TEXT"),
        written("tax", 202, group="tax:pair"),
        written("tax", 203, group="tax:pair", text="public dev text"),
    ]
    public = PoolRow("public dev text", 1, "hate", "", "dev", "s", "MIT")
    pool = (*PUBLIC, *CHAT, public, replace(public, split="train"))
    holdout = plan_holdout(CELLS, conditioned=[*WRITTEN, *held], pool=[public], fraction=0.0, domains=frozenset())
    one = mixture(conditioned=[*WRITTEN, *held], pool=pool, holdout=holdout)
    texts = {example.text for index in range(300) for example in one.episode(index).examples}
    assert not texts & {row.text for row in (*held, public)}
    assert one.describe()["conditioned/rows"] == len(WRITTEN)


def test_a_group_is_left_out_whole():
    holdout = plan_holdout(CELLS, conditioned=[written("x", 0, split="dev", text="tax written 4")], domains=frozenset())
    kept = {row.text for row in trainable_rows(WRITTEN, holdout)}
    assert not {"tax written 4", "tax written 5"} & kept
    assert len(kept) == len(WRITTEN) - 2


def test_test_prompts_are_not_trainable():
    rows = [replace(INTENTS[0], split="test", text="new"), INTENTS[1]]
    assert trainable_intents(rows, NOTHING_HELD_OUT) == [INTENTS[1]]


def test_a_development_row_cannot_get_in():
    row = DevRow("t", 1, "hate", "", "bench", "MIT")
    with pytest.raises((LeakageError, AttributeError)):
        mixture(pool=[*PUBLIC, row])


def test_a_row_of_an_undefined_policy_is_an_error():
    with pytest.raises(DataError, match="not defined: legal"):
        mixture(policies={name: policy for name, policy in POLICIES.items() if name != "legal"})


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"shares": {"composed": 0.0}}, "All shares"),
        ({"shares": {"conditioned": 1.0}, "conditioned": []}, "No policy-conditioned"),
        ({"shares": {"pool": 1.0}, "pool": []}, "No public row"),
        ({"shares": {"pool": 1.0}, "pool_shares": {"absent": 1.0}}, "No public row"),
    ],
)
def test_a_share_without_data_is_an_error(settings, reason):
    with pytest.raises(DataError, match=reason):
        mixture(**settings)


def test_small_sources_are_drawn_more_often_than_their_size_asks():

    rows = [PoolRow(f"a{n}", 1, "hate", "", "train", "big", "MIT") for n in range(990)]
    rows += [PoolRow(f"b{n}", 1, "hate", "", "train", "small", "MIT") for n in range(10)]
    drawn = Urn(rows).draw(random.Random(0), "hate", 1, 2000)
    assert 0 < sum(row.source == "small" for row in drawn) <= 10
    assert len({row.text for row in drawn}) == len(drawn)


def test_a_language_that_gives_the_label_away_is_left_out():
    rows = [PoolRow(f"fr {n}", 1, "hate", "", "train", "s", "MIT", lang="fr") for n in range(30)]
    rows += [PoolRow(f"de {n}", n % 2, "hate", "", "train", "s", "MIT", lang="de") for n in range(30)]
    counts = Urn(rows).describe()
    assert (counts["pool/hate/unsafe"], counts["pool/hate/safe"]) == (15, 15)


def test_safe_instructions_of_one_policy_are_presumed_safe_under_another():
    rows = [PoolRow(f"ordinary task {n}", 0, "prompt-injection", "", "train", "gpteacher", "MIT") for n in range(30)]
    unsafe = [PoolRow(f"attack {n}", 1, "prompt-injection", "", "train", "gpteacher", "MIT") for n in range(30)]
    one = only("pool", pool=(*PUBLIC, *rows, *unsafe), pool_shares={"hate": 1.0}, chat_policies=frozenset({"hate"}))
    borrowed = {
        (example.text.split()[0], example.label)
        for index in range(20)
        for example in one.episode(index).examples
        if example.source == "gpteacher"
    }
    assert borrowed == {("ordinary", 0)}


def test_the_form_of_a_text_is_left_alone_under_a_policy_about_form():
    about_form = {name: policy.model_copy(update={"domain": "style"}) for name, policy in POLICIES.items()}
    kept, changed = only("conditioned", policies=about_form, augment=1.0), only("conditioned", augment=1.0)
    known = {row.text for row in WRITTEN}
    for one, expected in ((kept, True), (changed, False)):
        texts = [example.text for index in range(10) for example in one.episode(index).examples]
        assert all(text in known for text in texts) is expected


def test_texts_of_other_policies_are_presumed_safe_under_prompt_injection():
    only = {"shares": {"pool": 1.0}, "pool_shares": {"prompt-injection": 1.0}}
    stream = mixture(**only, strangers={"prompt-injection": ("hate",)}, stranger_share=0.25)
    shown = [example for index in range(40) for example in stream.episode(index).examples]
    strangers = [example for example in shown if example.text.startswith("hate public")]
    assert {example.label for example in strangers} == {0}
    assert {example.text.split()[2] for example in strangers} == {"0", "1"}
    assert 0.15 < len(strangers) / len(shown) < 0.35
