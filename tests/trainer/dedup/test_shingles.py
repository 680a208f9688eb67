"""Shingles: hashes of runs of three words, for many texts at once."""

from __future__ import annotations

import numpy as np
import pytest

from unigurd_trainer.dedup.shingles import Shingles, shingle


def sets(texts, salts=None, **options):
    salts = np.zeros(len(texts), np.uint64) if salts is None else np.array(salts, np.uint64)
    found = shingle(texts, salts, **options)
    return [found.hashes[a:b].tolist() for a, b in zip(found.bounds, found.bounds[1:], strict=False)]


def test_a_text_of_n_words_has_n_minus_two_shingles():
    assert [len(each) for each in sets(["a b c d e", "a b c", "a b", "a", ""])] == [3, 1, 1, 1, 0]


def test_equal_runs_have_equal_hashes_wherever_they_stand():
    first, second, third = sets(["x a b c", "and a b c d", "a b"])
    assert first[1] == second[1]
    assert len({*first, *second, *third}) == 2 + 3 - 1 + 1


def test_order_and_borders_of_words_matter():
    assert len({each[0] for each in sets(["a b c", "c b a", "ab c", "a bc", "abc", "a b", "b c"])}) == 7


def test_neighbours_in_a_batch_do_not_matter():
    texts = ["", "one two three four", "\u00e9t\u00e9 \ud800 x y", "one", "z" * 5000 + " b c"]
    assert sets(texts) == [sets([text])[0] for text in texts]


def test_salts_keep_texts_apart():
    one, other, same = sets(["a b c d", "a b c d", "a b c d"], [1, 2, 1])
    assert one == same
    assert not set(one) & set(other)


def test_hashes_of_many_runs_differ():
    words = " ".join(str(number) for number in range(50_000))
    (found,) = sets([words], most=100_000)
    assert len(set(found)) == 49_998


def test_of_a_long_text_the_smallest_hashes_stay():
    text = " ".join(str(number) for number in range(100))
    whole, part = sets([text])[0], sets(["a b", text, "c"], most=10)[1]
    assert part == sorted(whole)[:10]


def test_texts_are_taken_in_the_order_asked():
    found = shingle(["a b c d", "", "e"], np.zeros(3, np.uint64))
    taken = found.take(np.array([2, 0, 2]))
    assert taken.counts.tolist() == [1, 2, 1]
    assert taken.hashes.tolist() == [found.hashes[2], *found.hashes[:2], found.hashes[2]]


@pytest.mark.parametrize("parts", [[], [["a b c"]], [["a"], ["b c d e", ""]]])
def test_parts_join_to_the_whole(parts):
    made = [shingle(part, np.zeros(len(part), np.uint64)) for part in parts]
    whole = shingle([text for part in parts for text in part], np.zeros(sum(map(len, parts)), np.uint64))
    joined = Shingles.joined(made)
    assert joined.hashes.tolist() == whole.hashes.tolist()
    assert joined.bounds.tolist() == whole.bounds.tolist()
