"""Segments fit the model, hold every token of the text, and cannot be forged by a text or a prompt."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unigurd_sdk.segments import Segmenter
from unigurd_sdk.template import ROLES
from unigurd_sdk.tokenizer import GuardTokenizer

TEXT = st.text(alphabet="ab [SEP]CLS.\n\ud800\u00e9\U0001f600", max_size=300)


@pytest.fixture(scope="module")
def tokenizer(keyword_checkpoint):
    return GuardTokenizer.from_file(keyword_checkpoint / "tokenizer.json")


@pytest.fixture(scope="module")
def segmenter(tokenizer):
    return Segmenter(tokenizer, max_length=32, overlap=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=TEXT, prompt=st.none() | TEXT)
def test_no_segment_is_too_long_or_has_a_special_token_inside(segmenter, tokenizer, text, prompt):
    cut = segmenter.cut(text, "assistant", prompt)
    for ids in cut.ids:
        assert len(ids) <= 32
        assert (ids[0], ids[-1]) == (tokenizer.start, tokenizer.end)
        assert not {tokenizer.start, tokenizer.end, tokenizer.pad} & {*ids[1:-1]}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=TEXT, role=st.sampled_from(ROLES))
def test_spans_cover_the_text_in_order(segmenter, text, role):
    spans = segmenter.cut(text, role).spans
    assert spans[0][0] == 0
    assert spans[-1][1] == len(text)
    for (start, end), (after, _) in zip(spans, spans[1:], strict=False):
        assert start <= after <= end  # equal where one emoji is read in more words than a window holds


def test_every_token_of_the_text_is_in_a_segment(segmenter, tokenizer):
    text = "".join(chr(97 + index % 26) for index in range(80))
    wanted = tokenizer.encode(text).ids
    cut = segmenter.cut(text, "user")
    marker = tokenizer.encode("Query: ").ids
    joined = list(cut.ids[0][1:-1][len(marker) :])
    for ids, (start, _) in zip(cut.ids[1:], cut.spans[1:], strict=True):
        assert ids[1 : 1 + len(marker)] == marker
        joined[start:] = ids[1 + len(marker) : -1]
    assert joined == wanted
    assert cut.tokens == len(wanted)


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 500, 100_000])
def test_a_prompt_takes_about_a_third_at_most_and_keeps_its_end(segmenter, tokenizer, length):
    (ids,) = segmenter.cut("a", "assistant", "x " * length + "end").ids
    marker = len(tokenizer.encode("Query: \nResponse: ").ids)
    assert len(ids) - 2 - 1 - marker <= 10
    assert tokenizer.encode("end").ids[-1] in ids
