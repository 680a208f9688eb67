"""Tier 2: texts that share most of their wording are found, and no others."""

from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest

from unigurd_trainer.dedup.lexical import LexicalIndex, jaccard
from unigurd_trainer.dedup.shingles import shingle


def never(left, right):
    return np.zeros(len(left), np.bool_)


def found(texts, salts=None, order=None, settled=never, parts=1):
    index = LexicalIndex()
    salts = None if salts is None else np.array(salts, np.uint64)
    for part in np.array_split(np.arange(len(texts)), parts):
        index.add([texts[n] for n in part], None if salts is None else salts[part])
    order = np.arange(len(texts)) if order is None else np.array(order)
    return {
        tuple(sorted(pair))
        for pairs in index.pairs(order, settled)
        for pair in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)
    }


def true_jaccard(one, other):
    sides = [{tuple(words[n : n + 3]) for n in range(len(words) - 2)} for words in (one.split(), other.split())]
    return len(sides[0] & sides[1]) / len(sides[0] | sides[1])


@pytest.fixture
def family(make_text):
    """Forty texts at different distances from one another."""
    rng = random.Random(1)
    seed = make_text(40).split()
    texts = []
    for _ in range(40):
        words = list(seed)
        for _ in range(rng.randint(0, 3)):
            words[rng.randrange(40)] = rng.choice("xyz")
        texts.append(" ".join(words))
    return texts


def test_a_text_with_its_last_word_changed_is_found(make_text):
    texts = [make_text(30) for _ in range(50)]
    assert found([*texts, make_text(30, like=texts[7])]) == {(7, 50)}


def test_only_pairs_above_the_threshold_are_found_and_nearly_all_of_them(family):
    close = {(a, b) for a, b in combinations(range(40), 2) if true_jaccard(family[a], family[b]) >= 0.8}
    hit = found(family)
    assert hit <= close
    assert len(hit) >= 0.95 * len(close) > 100


def test_jaccard_is_that_of_the_sets(family):
    pairs = np.array(list(combinations(range(40), 2)))
    measured = jaccard(shingle(family, np.zeros(40, np.uint64)), pairs[:, 0], pairs[:, 1]).similarity
    assert measured == pytest.approx([true_jaccard(family[a], family[b]) for a, b in pairs])


def test_repeated_shingles_count_once():
    shingles = shingle(["a b c a b c", "a b c a b"], np.zeros(2, np.uint64))
    assert jaccard(shingles, np.array([0]), np.array([1])).similarity.tolist() == [1.0]


def test_jaccard_of_long_texts_is_estimated_from_all_of_them():
    words = [str(number) for number in range(6000)]
    texts = [" ".join(words), " ".join([*words[:5000], *"x" * 1000]), " ".join([*"y" * 3000, *words[3000:]])]
    measured = jaccard(shingle(texts, np.zeros(3, np.uint64)), np.array([0, 0]), np.array([1, 2])).similarity
    assert measured == pytest.approx([5 / 6, 1 / 2], abs=0.05)


def test_one_pass_in_parts_finds_what_one_call_finds(family):
    assert found(family, parts=7) == found(family)


def test_other_salts_are_never_alike(make_text):
    text = make_text(12)
    assert found([text, text, text], salts=[1, 2, 1]) == {(0, 2)}


def test_texts_of_few_words_are_alike_only_if_equal():
    assert found(["a b", "a b", "a c", "b a", "", ""]) == {(0, 1)}


def test_settled_pairs_are_not_looked_at(family):
    assert found(family, settled=lambda left, right: np.ones(len(left), np.bool_)) == set()


def test_a_crowd_of_equal_texts_costs_a_window_each():
    index = LexicalIndex()
    index.add(["the same few words again"] * 2000)
    first = next(iter(index.pairs(np.arange(2000), never)))
    assert len(first) == 1999
    assert sum(len(pairs) for pairs in index.pairs(np.arange(2000), never)) < 16 * 32 * 2000


def test_nothing_is_alike_among_nothing():
    assert found([]) == set()
    assert found(["one text only"]) == set()
