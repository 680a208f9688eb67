"""Composed policies: labels follow from the composition, and no meaning stands on both sides."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from unigurd_trainer.augment import augment
from unigurd_trainer.bank import Bank
from unigurd_trainer.compose import Composer, ComposeSettings
from unigurd_trainer.errors import DataError
from unigurd_trainer.rows import Behaviour, CellKey, ConditionedRow, IntentRow, PoolRow
from unigurd_trainer.skeletons import Skeleton
from unigurd_trainer.wordings import CATCH_ALL

DOMAINS = ("home", "bank", "car", "food")
FORMS = ("gerund", "noun", "clause", "bullet")


def behaviour(domain, number, **changes):
    """Cells 0 and 1 of every domain share a meaning."""
    name = f"{domain}-{number}"
    fields = {
        "phrasings": tuple(f"{form} of {name}" for form in FORMS),
        "groups": frozenset({name, *([f"{domain}-shared"] if number < 2 else [])}),
        "topic": domain,
    }
    return Behaviour(CellKey("s", domain, name), **(fields | changes))


CELLS = [behaviour(domain, number) for domain in DOMAINS for number in range(6)]
ROWS = [
    IntentRow(f"{cell.key.intent} text {number}", cell.key, "train", "s", "MIT")
    for cell in CELLS
    for number in range(30)
]
CHAT = [PoolRow(f"zebra story {number}", None, "", "", "train", "chat", "CC0-1.0") for number in range(40)]
GROUPS = {cell.key.intent: cell.groups for cell in CELLS}


def skeleton(kind, unlisted, places):
    text = " ".join("{" + place + "}" for place in places)
    return Skeleton(
        f"{kind}-{unlisted}",
        kind,
        f"Rule: {text}.",
        dict.fromkeys(places, "semicolons"),
        FORMS,
        1,
        8,
        unlisted,
    )


BAN = skeleton("ban", "allowed", ["disallowed"])
SCOPE = skeleton("scope", "disallowed", ["allowed"])
MIXED = [
    skeleton("mixed", unlisted, ["allowed", "disallowed"]) for unlisted in ("allowed", "disallowed", "unspecified")
]
SKELETONS = [BAN, SCOPE, *MIXED]


def composer(skeletons=SKELETONS, cells=CELLS, rows=ROWS, chat=CHAT, focus=None, seed=0, **settings):
    kinds = {kind: 1.0 for kind in ("ban", "scope", "mixed") if any(row.kind == kind for row in skeletons)}
    chosen = ComposeSettings(**{"kinds": kinds, "augment": 0.0, **settings})
    return Composer(Bank(cells, rows, chat, focus=focus), skeletons, seed=seed, settings=chosen)


def intent_of(example):
    return example.text.split(" text ")[0] if " text " in example.text else None


def listed(policy):
    """Return the intents that a policy names anywhere."""
    words = " ".join((policy.description, *policy.allowed, *policy.disallowed)).replace(".", " ").replace(";", " ")
    return {word for word in words.split() if word in GROUPS}


def test_episodes_depend_on_seed_and_index_only():
    one, two = composer(), composer()
    assert list(one.compose(5, start=3)) == [two.episode(index) for index in range(3, 8)]
    assert composer(seed=1).episode(3) != one.episode(3)


def test_of_a_limited_number_of_policies_each_comes_again_with_other_texts():
    limited = composer(policies=3)
    first, again = (limited.episode(index) for index in (1, 4))
    assert first == composer().episode(1)
    assert first.policy == again.policy != limited.episode(2).policy
    assert {row.text for row in first.examples} != {row.text for row in again.examples}


def test_episodes_have_the_asked_size_and_are_balanced():
    episodes = list(composer(texts=12).compose(60))
    assert {len(episode.examples) for episode in episodes} == {12}
    unsafe = sum(example.label for episode in episodes for example in episode.examples)
    assert 0.45 < unsafe / (60 * 12) < 0.55


def test_no_text_occurs_twice_in_an_episode():
    for episode in composer().compose(60):
        assert len({example.text for example in episode.examples}) == len(episode.examples)


def test_no_meaning_stands_on_both_sides_of_a_policy():
    for episode in composer().compose(300):
        sides: dict[int, set[str]] = {0: set(), 1: set()}
        for example in episode.examples:
            sides[example.label] |= GROUPS.get(intent_of(example), frozenset())
        assert not sides[0] & sides[1], episode.policy


def test_a_ban_forbids_exactly_what_it_lists():
    for episode in composer([BAN], renderings={"text": 1.0}).compose(100):
        banned = listed(episode.policy)
        assert banned
        for example in episode.examples:
            assert (intent_of(example) in banned) == (example.label == 1)


def test_a_scope_permits_exactly_what_it_lists():
    for episode in composer([SCOPE], renderings={"text": 1.0}).compose(100):
        scope = listed(episode.policy)
        for example in episode.examples:
            assert (intent_of(example) in scope) == (example.label == 0)


def test_where_the_rest_is_unspecified_all_texts_are_of_listed_behaviours():
    for episode in composer([MIXED[2]]).compose(100):
        assert {intent_of(example) for example in episode.examples} <= listed(episode.policy)


def test_matched_points_at_the_line_that_decides():
    seen: Counter[str] = Counter()
    for episode in composer(renderings={"lists": 1.0, "both": 1.0}).compose(300):
        lines = episode.policy.allowed + episode.policy.disallowed
        for example in episode.examples:
            if example.matched is None:
                continue
            if example.matched < 0:
                seen["unlisted"] += 1
                assert intent_of(example) not in listed(episode.policy)
                assert not set(lines) & set(CATCH_ALL)
                continue
            line = lines[example.matched]
            assert (example.matched >= len(episode.policy.allowed)) == (example.label == 1)
            seen["catch-all" if line in CATCH_ALL else "listed"] += 1
            assert line in CATCH_ALL or line.rstrip(".").endswith(intent_of(example))
    assert min(seen[kind] for kind in ("unlisted", "catch-all", "listed")) > 50


def test_without_lists_nothing_is_known_about_the_match():
    for episode in composer(renderings={"text": 1.0}).compose(40):
        assert not episode.policy.allowed + episode.policy.disallowed
        assert {example.matched for example in episode.examples} == {None}


def test_the_lists_rendering_describes_without_the_behaviours():
    for episode in composer(renderings={"lists": 1.0}).compose(40):
        assert not any(intent in episode.policy.description for intent in GROUPS)
        assert episode.policy.allowed + episode.policy.disallowed


def test_a_policy_uses_one_form_and_at_most_twelve_behaviours():
    for episode in composer(renderings={"lists": 1.0}, long_lists=1.0, catch_all=0.0).compose(100):
        lines = episode.policy.allowed + episode.policy.disallowed
        assert len({form for line in lines for form in FORMS if form in line.lower()}) == 1
        assert len(lines) <= 12


def test_open_side_texts_come_from_siblings_other_domains_and_chat_in_the_asked_shares():
    found: Counter[str] = Counter()
    narrow = Skeleton("narrow", "ban", "No {disallowed}.", {"disallowed": "or"}, FORMS, 1, 1, "allowed")
    for episode in composer([narrow], siblings=0.5, others=0.2, renderings={"text": 1.0}).compose(300):
        for example in (example for example in episode.examples if example.label == 0):
            domain = (intent_of(example) or "chat").split("-")[0]
            found[{"chat": "chat", episode.policy.domain: "sibling"}.get(domain, "other")] += 1
    shares = {kind: count / sum(found.values()) for kind, count in found.items()}
    assert shares == pytest.approx({"sibling": 0.5, "other": 0.2, "chat": 0.3}, abs=0.03)


def test_chat_that_may_be_about_the_policy_is_left_out():
    rows = [PoolRow(f"clean a carpet {number}", None, "", "", "train", "chat", "MIT") for number in range(9)]
    cells = [
        behaviour("home", number, phrasings=tuple(f"{form} carpets {number}" for form in FORMS)) for number in range(6)
    ]
    far = composer([BAN], chat=rows).episode(0)
    assert any(example.source == "chat" for example in far.examples)
    for episode in composer([BAN], cells=cells, chat=rows, siblings=0.3, others=0.0).compose(20):
        assert not any(example.source == "chat" for example in episode.examples)


def test_equal_wordings_are_never_listed_together():
    cells = [behaviour("home", n, phrasings=tuple(f"{form} {n // 2}" for form in FORMS)) for n in range(8)]
    rows = [IntentRow(f"{cell.key.intent} {n}", cell.key, "train", "s", "MIT") for cell in cells for n in range(20)]
    for episode in composer([BAN, SCOPE], cells=cells, rows=rows, renderings={"lists": 1.0}).compose(60):
        assert len(episode.policy.allowed + episode.policy.disallowed) <= 5


def test_intents_that_are_not_usable_are_not_listed_but_may_be_texts():
    cells = [*CELLS[:5], behaviour("home", 5, usable=False)]
    episodes = list(composer([BAN], cells=cells, chat=[]).compose(100))
    assert all("home-5" not in listed(episode.policy) for episode in episodes)
    assert any(intent_of(example) == "home-5" for episode in episodes for example in episode.examples)


def test_intents_that_may_not_be_negatives_never_stand_for_the_rest():
    cells = [*CELLS[:5], behaviour("home", 5, negative_ok=False)]
    for episode in composer([BAN], cells=cells, chat=[]).compose(100):
        for example in episode.examples:
            assert intent_of(example) != "home-5" or "home-5" in listed(episode.policy)


def test_a_text_under_two_intents_of_different_meaning_is_left_out():
    twice = [IntentRow("same words", cell.key, "train", "s", "MIT") for cell in (CELLS[2], CELLS[3])] * 50
    episodes = composer([BAN], rows=[*ROWS, *twice]).compose(100)
    assert all(example.text != "same words" for episode in episodes for example in episode.examples)


def test_focus_decides_the_closed_side():
    focus = frozenset({CELLS[2].key, CELLS[3].key})
    for episode in composer([BAN, SCOPE], focus=focus, renderings={"text": 1.0}).compose(60):
        assert listed(episode.policy) <= {"home-2", "home-3"}


def test_behaviours_with_two_phrasings_take_only_noun_and_bullet():
    cells = [
        behaviour("home", number, phrasings=(f"noun home-{number}", f"bullet home-{number}")) for number in range(6)
    ]
    clause_only = Skeleton("c", "ban", "If {disallowed}.", {"disallowed": "or"}, ("clause",), 1, 3, "allowed")
    episodes = list(composer([BAN, clause_only], cells=cells, chat=[]).compose(30))
    assert all("If " not in episode.policy.description for episode in episodes)
    with pytest.raises(DataError, match="do not yield a policy"):
        composer([clause_only], cells=cells, chat=[]).episode(0)


def test_a_source_and_licence_travel_with_every_text():
    pairs = {(row.source, row.licence) for episode in composer().compose(40) for row in episode.examples}
    assert pairs == {("s", "MIT"), ("chat", "CC0-1.0")}


def test_too_few_behaviours_are_an_error():
    with pytest.raises(DataError, match="three intents"):
        composer(cells=CELLS[:2])


def test_a_kind_without_a_skeleton_is_an_error():
    with pytest.raises(DataError, match="scope"):
        composer([BAN], kinds={"ban": 1.0, "scope": 1.0})


def test_a_kind_can_be_asked_for():
    one = composer()
    assert {one.episode(index, kind="scope").policy.kind for index in range(20)} == {"scope"}


def test_a_stranger_shares_no_word_with_the_policy():
    one = composer([BAN], renderings={"lists": 1.0}, catch_all=0.0)
    policy = one.episode(0).policy
    row = ConditionedRow(
        "tax", "zebra crossing", 1, "", "g", "train", "seen", "sdg", "MIT", role="assistant", prompt="q"
    )
    example = one.stranger(policy, row, 0)
    assert (example.label, example.matched, example.role, example.prompt) == (0, -1, "assistant", "q")
    near = PoolRow(f"what is {policy.disallowed[0]}", 1, "p", "", "train", "s", "MIT")
    assert one.stranger(policy, near, 0) is None


def test_light_changes_are_applied_at_the_asked_rate():
    texts = {row.text for row in ROWS} | {row.text for row in CHAT}
    examples = [row for episode in composer(augment=0.5).compose(60) for row in episode.examples]
    changed = sum(row.text not in texts for row in examples) / len(examples)
    assert 0.25 < changed < 0.5


@pytest.mark.parametrize("text", ["a", "?!", "", "é", "{curly} {0}", "你好", "Hello there, world!"])
def test_light_changes_leave_a_text_recognisable(text):
    for seed in range(60):
        changed = augment(text, random.Random(seed))
        assert isinstance(changed, str)
        assert not text or changed
        assert abs(len(changed) - len(text)) < 40
