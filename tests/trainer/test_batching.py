"""Collation: every line once a step, targets at the right lines, little padding, only over-long texts cut."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from unigurd_sdk.policy import Policy  # noqa: E402
from unigurd_trainer.batching import Collator  # noqa: E402
from unigurd_trainer.rows import Episode, Example  # noqa: E402

HOUSE = Policy(
    name="house",
    description="No oven. No door.",
    allowed=["asking for a lamp"],
    disallowed=["my oven door", "a mirror, a kettle, a carpet, a window, a sofa"],
)
BARE = Policy(name="bare", description="No door.")


@pytest.fixture
def collate(tiny_tokenizer):
    return Collator(tiny_tokenizer, max_text=24, max_line=10)


def example(text="lamp", label=0, **changes):
    return Example(text, label, "s", "MIT", **changes)


def batch_of(collate, *pairs):
    return collate([Episode(policy, tuple(examples), "composed") for policy, examples in pairs])


def lines_of(batch):
    """The ids of every line, in the order in which the layout numbers them."""
    return [tuple(row[m.bool()].tolist()) for b in batch.lines for row, m in zip(b.input_ids, b.mask, strict=True)]


def texts_of(batch):
    """Ids -> (policy, label, target) of every text."""
    return {
        tuple(ids[mask.bool()].tolist()): (int(policy), float(label), target.tolist())
        for b in batch.texts
        for ids, mask, policy, label, target in zip(b.input_ids, b.mask, b.policy, b.labels, b.targets, strict=True)
    }


def wrap(tokenizer, text):
    return tuple(tokenizer.wrap(tokenizer.encode(text).ids))


def target(collate, matched, policy):
    """The target of a text under a policy, in a step with another one."""
    other = BARE if policy is HOUSE else HOUSE
    batch = batch_of(collate, (other, [example()]), (policy, [example("zebra", matched=matched)]))
    return next(found for index, _, found in texts_of(batch).values() if index == 1)


def test_a_line_of_two_policies_is_encoded_once(collate, tiny_tokenizer):
    batch = batch_of(collate, (HOUSE, [example()]), (BARE, [example()]), (HOUSE, [example("door")]))
    lines = lines_of(batch)
    assert len(set(lines)) == len(lines)
    shared = lines.index(wrap(tiny_tokenizer, "No door."))
    assert batch.layout[0, 1] == batch.layout[1, 0] == shared
    assert batch.layout[0].tolist() == batch.layout[2].tolist()


def test_the_layout_spells_out_each_policy(collate, tiny_tokenizer):
    batch = batch_of(collate, (HOUSE, [example()]), (BARE, [example()]))
    lines = lines_of(batch)
    read = [[lines[n] for n in row if n >= 0] for row in batch.layout.tolist()]
    assert read[0][:4] == [
        wrap(tiny_tokenizer, text) for text in ("No oven.", "No door.", *HOUSE.allowed, "my oven door")
    ]
    long = [token for row in read[0][4:] for token in row[1:-1]]
    assert long == tiny_tokenizer.encode(HOUSE.disallowed[1]).ids
    assert read[1] == [wrap(tiny_tokenizer, "No door.")]
    assert batch.polarity[0].tolist() == [0, 0, 1, 2, 2, 2]
    assert max(map(len, lines)) <= 10


def test_texts_carry_their_policy_and_label_through_the_buckets(collate, tiny_tokenizer):
    words = ("lamp", "oven", "door")
    pairs = [
        (policy, [example(f"{word} " * size, size % 2) for size in range(1, 8)])
        for policy, word in zip((HOUSE, BARE, Policy(name="c", description="Only lamp.")), words, strict=True)
    ]
    batch = batch_of(collate, *pairs)
    assert batch.examples == 21
    expected = {
        wrap(tiny_tokenizer, "query: " + f"{word} " * size): (index, float(size % 2))
        for index, word in enumerate(words)
        for size in range(1, 8)
    }
    assert {ids: found[:2] for ids, found in texts_of(batch).items()} == expected


@pytest.mark.parametrize(
    ("matched", "columns"),
    [
        (0, [3]),  # after the null line and two sentences of description
        (1, [4]),
        (2, [5, 6]),  # a line so long that it stands in two rows
        (-1, [0, 1, 2]),  # nothing matches: the null line or the description
        (None, []),
    ],
)
def test_the_matched_behaviour_marks_its_lines(collate, matched, columns):
    found = target(collate, matched, HOUSE)
    assert len(found) == 7
    assert [i for i, x in enumerate(found) if x] == columns


@pytest.mark.parametrize("matched", [0, -1, None])
def test_a_policy_without_lists_has_no_line_target(collate, matched):
    assert sum(target(collate, matched, BARE)) == 0


def test_a_match_that_the_policy_does_not_list_is_an_error(collate):
    with pytest.raises(IndexError):
        batch_of(collate, (HOUSE, [example(matched=3)]))


def test_padding_is_reported_and_small(collate):
    examples = [example("lamp " * (1 + number % 20)) for number in range(200)]
    batch = batch_of(collate, (HOUSE, examples))
    masks = [b.mask for b in (*batch.lines, *batch.texts)]
    real = sum(int(mask.sum()) for mask in masks)
    assert batch.tokens == real
    assert batch.padding == pytest.approx(1 - real / sum(mask.numel() for mask in masks))
    assert 0 < batch.padding < 0.15


def test_a_few_texts_share_a_bucket_whatever_their_length(collate):
    batch = batch_of(collate, (BARE, [example("lamp"), example("lamp " * 15)]))
    assert len(batch.texts) == 1


def test_a_text_is_cut_only_where_it_passes_the_limit(collate, tiny_tokenizer):
    fits, long = example("lamp " * 20), example("lamp " * 21)
    assert collate.text_ids(fits) == wrap(tiny_tokenizer, "query: " + fits.text)
    assert len(collate.text_ids(fits)) == 24
    ids = collate.text_ids(long)
    assert ids == collate.text_ids(fits)
    assert (ids[0], ids[-1]) == (tiny_tokenizer.start, tiny_tokenizer.end)


def test_a_response_follows_its_prompt_and_keeps_its_own_words(collate, tiny_tokenizer):
    short = example("oven door", role="assistant", prompt="lamp")
    assert collate.text_ids(short) == wrap(tiny_tokenizer, "query: lamp response: oven door")
    ids = collate.text_ids(example("oven door", role="assistant", prompt="lamp " * 50))
    assert tiny_tokenizer.encode("oven door").ids == list(ids[-3:-1])
    assert tiny_tokenizer.encode("response:").ids == list(ids[-5:-3])
    assert tiny_tokenizer.encode("query:").ids == list(ids[1:3])  # the marker stays, of the prompt its end
    assert len(ids) < 24


def test_special_tokens_in_data_stay_text(collate, tiny_tokenizer):
    ids = collate.text_ids(example("[SEP] [CLS] lamp"))
    reserved = {tiny_tokenizer.start, tiny_tokenizer.end, tiny_tokenizer.pad}
    assert not reserved & set(ids[1:-1])


def test_collation_is_the_same_every_time(tiny_tokenizer, toy):
    episodes = [toy().episode(index) for index in range(3)]
    one, two = (Collator(tiny_tokenizer)(episodes) for _ in range(2))
    assert torch.equal(one.layout, two.layout)
    assert lines_of(one) == lines_of(two)
    assert texts_of(one) == texts_of(two)


def test_padding_stays_under_a_tenth_for_a_step_of_mixed_lengths(tiny_tokenizer):
    import random

    rng = random.Random(0)
    collate = Collator(tiny_tokenizer, max_text=200, max_line=10)
    lengths = [min(198, int(rng.lognormvariate(2.8, 0.8)) + 1) for _ in range(96)]  # most are short, a few are long
    batch = batch_of(collate, (HOUSE, [example("lamp " * length) for length in lengths]))
    assert batch.examples == 96
    assert batch.padding < 0.1
