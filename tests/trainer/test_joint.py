"""Policy and text as one sequence: the policy's lines in order with their polarity, then the whole text."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from unigurd_sdk.policy import Policy  # noqa: E402
from unigurd_trainer.batching import Collator  # noqa: E402
from unigurd_trainer.joint import joint_rows  # noqa: E402
from unigurd_trainer.rows import Episode, Example  # noqa: E402

ONE = Policy(name="one", description="No oven.", allowed=["lamp"], disallowed=["my oven door"])
TWO = Policy(name="two", description="Only sofa.", disallowed=["lamp"])


@pytest.fixture
def batch(tiny_tokenizer):
    rows = (Example("kettle", 0, "s", "MIT"), Example("carpet window", 1, "s", "MIT"))
    return Collator(tiny_tokenizer)([Episode(policy, rows, "composed") for policy in (ONE, TWO)])


@pytest.fixture(scope="module")
def spell(tiny_tokenizer_file):
    from tokenizers import Tokenizer

    names = Tokenizer.from_file(str(tiny_tokenizer_file)).id_to_token
    return lambda ids, mask: " ".join(str(names(int(i))) for i in ids[mask.bool()])


def read(batch, spell, **limits):
    return [spell(*row) for bucket in batch.texts for row in zip(*joint_rows(batch, bucket, **limits), strict=True)]


def test_a_row_is_the_marked_lines_of_its_policy_and_the_text(batch, spell):
    one = "[CLS] [unused1] no oven . [SEP] [CLS] [unused2] lamp [SEP] [CLS] [unused3] my oven door [SEP]"
    two = "[CLS] [unused1] only sofa . [SEP] [CLS] [unused3] lamp [SEP]"
    texts = ("[CLS] query : kettle [SEP]", "[CLS] query : carpet window [SEP]")
    assert set(read(batch, spell)) == {f"{policy} {text}" for policy in (one, two) for text in texts}


def test_where_it_is_too_long_the_policy_gives_way(batch, spell):
    rows = read(batch, spell, max_length=8)
    assert sorted(rows) == sorted(
        ["[CLS] [unused1] no [CLS] query : kettle [SEP]", "[CLS] [unused1] only [CLS] query : kettle [SEP]"]
        + ["[CLS] [unused1] [CLS] query : carpet window [SEP]"] * 2
    )


def test_padding_is_masked(batch):
    (bucket,) = batch.texts
    ids, mask = joint_rows(batch, bucket)
    assert ids.shape == mask.shape
    assert ids[mask == 0].sum() == 0
    assert len(set(mask.sum(1).tolist())) > 1
