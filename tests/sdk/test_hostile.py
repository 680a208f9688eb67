"""Any text: never an error outside our tree, never a verdict that skipped text, never more work than in proportion."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.errors import UnigurdError
from unigurd_sdk.guard import Guard
from unigurd_sdk.limits import MAX_BYTES, Limits
from unigurd_sdk.policy import Policy
from unigurd_sdk.scan import Close, Scanner
from unigurd_sdk.segments import Segmenter
from unigurd_sdk.tokenizer import GuardTokenizer
from unigurd_sdk.views import BUILTIN_VIEWS, View, readings

BOMB = Policy(name="no-bombs", description="no weapons", disallowed=("bomb",))
PIECES = [
    "bomb", " ", "\n", "\0", "\ud800", "\udfff", "\u200b", "\u200c" * 20, "\u202e", "\u202c", "\U000e0061",
    "\ufe0f" * 4, "\U0001f3f4", "\u0301", "\u0430", "\uff42", "\ufdfa", "%62", "%ff", "&#98;", "\\u0062", "\\ud83d",
    "\\x62", "0x62 ", "Ym9tYiBib21iIGJvbWI=", "62 6f 6d 62 ", "b o m b ", "b0mb", "bmob ", "obzo ", "\u0250",
    "\U0001f600", "[SEP]", "==",
]  # fmt: skip
ANY = st.text(st.characters(codec=None, exclude_categories=()), max_size=60)
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), ANY), max_size=12).map("".join)
REPEATED = [
    "a", "a ", "Ab1+", "%41", "%4", "&a", "&#1", "\\u", "\\x41", "41 ", "4", "((", "@a", "\u200ba", "\u202e", "\u202ea",
    "\U000e0061", "\ufe0f", "e\u0301", "\u0430b", "\u0250", "\u0250\n", "1a", "siht ", "guvf ", "\n", "a=", "a-", "\0",
    "QUFBQUFBQUFBQUFBQUFBQQ\n", "\U0001f3f4\U000e0067", "don't ",
]  # fmt: skip
FAST = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def guard(keyword_checkpoint):
    with uncalibrated(keyword_checkpoint) as guard:
        yield guard


def uncalibrated(folder, **options):
    """A guard whose scores do not fall with the number of windows: a word that was read is found in any text."""
    checkpoint = Checkpoint.open(folder)
    manifest = checkpoint.manifest.model_copy(update={"window_slope": 0.0})
    return Guard(Checkpoint(checkpoint.folder, manifest, checkpoint.id), threads=1, **options)


def holds(guard, text):
    """Whatever the text is, its check is a whole one or an error of ours."""
    try:
        verdict = guard.check(text, BOMB)
    except UnigurdError:
        return
    assert verdict.tokens.complete
    assert verdict.views[0] == "raw"
    assert all(0 <= window.start <= window.end <= len(text) for window in verdict.windows)
    assert verdict.unsafe or "bomb" not in text.lower().split()


@FAST
@given(text=TEXTS)
def test_any_text_is_read_whole_or_refused(guard, text):
    holds(guard, text)


@pytest.mark.slow
@pytest.mark.fuzz
@LONG
@given(text=TEXTS)
def test_any_of_many_texts_is_read_whole_or_refused(guard, text):
    holds(guard, text)


@pytest.mark.slow
@pytest.mark.fuzz
@pytest.mark.parametrize("unit", REPEATED)
def test_a_text_of_the_largest_size_is_read_whole_or_refused(guard, unit):
    holds(guard, largest(unit))


@pytest.mark.slow
@pytest.mark.fuzz
@pytest.mark.parametrize(
    "unit", ["a", "a ", "Ab1+", "%41", "\u200ba", "\u0430b", "\n", "\0", "QUFBQUFBQUFBQUFBQUFBQQ\n"]
)
def test_a_text_of_the_largest_size_is_read_whole_without_a_limit_of_windows(keyword_checkpoint, unit):
    with uncalibrated(keyword_checkpoint, max_windows=10**7) as guard:
        verdict = guard.check(largest(unit), BOMB)
    assert verdict.unsafe
    assert verdict.tokens.complete


def largest(unit):
    """As many of a unit as the limit of bytes lets through, with the word that is looked for at the end."""
    return unit * ((MAX_BYTES - 5) // len(unit.encode("utf-8", "surrogatepass"))) + " bomb"


@pytest.mark.parametrize("unit", REPEATED)
def test_ten_times_the_text_is_ten_times_the_work(keyword_checkpoint, unit):
    short, long = work(keyword_checkpoint, unit * 60), work(keyword_checkpoint, unit * 600)
    assert long[0] <= 12 * short[0]  # characters that views read
    assert long[1] <= 12 * short[1]  # windows


def work(folder, text):
    """Characters that all views read, and windows that are scored."""
    read = 0

    def counting(view):
        def counted(text):
            nonlocal read
            read += len(text)
            return view.read(text)

        return View(view.name, counted, view.kind)

    tokenizer = GuardTokenizer.from_file(folder / "tokenizer.json")
    close = Close(Segmenter(tokenizer, 16, 4), above=20)
    scanner = Scanner(Segmenter(tokenizer, 32, 8), tuple(map(counting, BUILTIN_VIEWS)), Limits(), close)
    windows = len(scanner.scan(text, "user").ids)
    return read, windows


@pytest.mark.parametrize("unit", REPEATED)
def test_no_view_takes_quadratic_time(unit):
    """A pattern that starts anew at every character would take half a minute where these take a tenth of a second."""
    start = time.process_time()
    readings(unit * (60_000 // len(unit)), BUILTIN_VIEWS, Limits())
    assert time.process_time() - start < 10
