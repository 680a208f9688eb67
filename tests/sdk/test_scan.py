"""Scans: what is scored of each reading, where it comes from, and how much may be asked for."""

from __future__ import annotations

import base64
import math

import pytest

from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.errors import LimitExceeded
from unigurd_sdk.guard import Guard
from unigurd_sdk.limits import Limits
from unigurd_sdk.policy import Policy
from unigurd_sdk.scan import Close, Scanner
from unigurd_sdk.segments import Segmenter
from unigurd_sdk.tokenizer import GuardTokenizer
from unigurd_sdk.views import BUILTIN_VIEWS, View

BOMB = Policy(name="no-bombs", description="no weapons", disallowed=("bomb",))
HIDDEN = base64.b64encode(b"the cake is a bomb").decode()


@pytest.fixture(scope="module")
def segmenter(keyword_checkpoint):
    return Segmenter(GuardTokenizer.from_file(keyword_checkpoint / "tokenizer.json"), max_length=32, overlap=8)


@pytest.fixture(scope="module")
def scanner(segmenter):
    return Scanner(segmenter, BUILTIN_VIEWS, Limits())


@pytest.fixture
def guard(keyword_checkpoint):
    with Guard.from_pretrained(keyword_checkpoint, threads=1) as guard:
        yield guard


def test_an_ordinary_text_is_scanned_as_it_is(scanner, segmenter):
    text = "cake " * 50
    scan, cut = scanner.scan(text, "user"), segmenter.cut(text, "user")
    assert (scan.ids, scan.spans, scan.tokens) == (cut.ids, cut.spans, cut.tokens)
    assert scan.parts == (("raw", len(cut.ids)),)


def test_of_another_reading_only_windows_that_a_view_changed_are_scanned(scanner):
    text = f"{'cake ' * 200}{HIDDEN} {'cake ' * 200}"
    scan = scanner.scan(text, "user")
    (_, raw), (name, extra) = scan.parts
    assert name == "base64"
    assert extra <= 4 < raw
    start, end = text.index(HIDDEN), text.index(HIDDEN) + len(HIDDEN)
    assert all(first < end and last > start for first, last in scan.spans[raw:])


def test_a_reading_with_the_same_tokens_is_not_scored_twice(scanner):
    scan = scanner.scan("c\u0301ake", "user")  # the tokenizer strips accents itself
    assert scan.parts == (("raw", 1),)


def test_readings_of_a_verdict_are_named_and_windows_lead_to_the_text(guard):
    text = f"cake {HIDDEN} cake"
    verdict = guard.check(text, BOMB)
    assert verdict.unsafe
    assert verdict.views == ("raw", "base64")
    assert verdict.windows[0].start <= text.index(HIDDEN)
    assert verdict.windows[0].end >= text.index(HIDDEN) + len(HIDDEN)
    assert verdict.tokens.complete


def test_without_views_only_the_text_is_read(keyword_checkpoint):
    with Guard.from_pretrained(keyword_checkpoint, threads=1, views="none") as guard:
        verdict = guard.check(HIDDEN, BOMB)
    assert (verdict.unsafe, verdict.views) == (False, ("raw",))


def test_a_view_of_ones_own_is_read(keyword_checkpoint):
    view = View("swap", lambda text: text.replace("pudding", "bomb") if "pudding" in text else None)
    with Guard.from_pretrained(keyword_checkpoint, threads=1, views=["base64", view]) as guard:
        verdict = guard.check("make a pudding", BOMB)
    assert (verdict.unsafe, verdict.views) == (True, ("raw", "swap"))
    assert (verdict.windows[0].start, verdict.windows[0].end) == (0, 14)


def test_a_view_that_fails_never_makes_a_text_safe(keyword_checkpoint):
    def broken(text):
        raise ValueError(text)

    with Guard.from_pretrained(keyword_checkpoint, on_error="block", views=[View("broken", broken)]) as guard:
        verdict = guard.check("cake", BOMB)
    assert verdict.unsafe
    assert "broken" in (verdict.error or "")


@pytest.mark.parametrize(
    ("limits", "what"),
    [({"max_bytes": 100}, "bytes"), ({"max_windows": 3}, "windows"), ({"max_readings": 1}, "readings")],
)
def test_a_limit_is_named_in_the_error(keyword_checkpoint, limits, what):
    text = f"{'cake ' * 100}{HIDDEN}"
    with (
        Guard.from_pretrained(keyword_checkpoint, threads=1, **limits) as guard,
        pytest.raises(LimitExceeded) as caught,
    ):
        guard.check(text, BOMB)
    assert (caught.value.what, caught.value.limit) == (what, next(iter(limits.values())))
    assert caught.value.actual > caught.value.limit


def test_the_windows_of_all_readings_count(segmenter):
    text = HIDDEN * 3
    raw = len(segmenter.cut(text, "user").ids)
    with pytest.raises(LimitExceeded, match="windows"):
        Scanner(segmenter, BUILTIN_VIEWS, Limits(windows=raw)).scan(text, "user")


@pytest.mark.parametrize("limits", [{"bytes": 0}, {"windows": 0}, {"readings": -1}])
def test_a_limit_that_no_text_could_keep_is_refused(limits):
    with pytest.raises(ValueError, match="at least 1"):
        Limits(**limits)


# Close windows, and the number of windows


@pytest.fixture(scope="module")
def close_scanner(segmenter):
    close = Close(Segmenter(segmenter.tokenizer, max_length=16, overlap=8), above=40)
    return Scanner(segmenter, BUILTIN_VIEWS, Limits(), close)


@pytest.mark.parametrize(("words", "sizes"), [(40, 1), (41, 2)])
def test_a_text_that_is_not_short_is_read_in_close_windows_too(close_scanner, words, sizes):
    scan = close_scanner.scan("cake " * words, "user")
    assert [name for name, _ in scan.parts] == ["raw"] * sizes
    assert (scan.views, scan.tokens) == (("raw",), words)


def test_close_windows_cover_the_text_as_well(close_scanner):
    text = " ".join(f"cake{number % 10}" for number in range(60))
    scan = close_scanner.scan(text, "user")
    (_, long), (_, close) = scan.parts
    assert len(scan.spans) == long + close
    for spans in (scan.spans[:long], scan.spans[long:]):
        assert (spans[0][0], spans[-1][1]) == (0, len(text))
        assert all(after[0] <= before[1] for before, after in zip(spans, spans[1:], strict=False))


def test_other_readings_are_read_in_close_windows_too(close_scanner):
    scan = close_scanner.scan(f"{'cake ' * 60}{HIDDEN}", "user")
    assert [name for name, _ in scan.parts] == ["raw", "raw", "base64", "base64"]


def with_manifest(folder, **fields):
    checkpoint = Checkpoint.open(folder)
    manifest = checkpoint.manifest.model_copy(update=fields)
    return Guard(Checkpoint(checkpoint.folder, manifest, checkpoint.id), threads=1)


def scores(folder, text, **fields):
    with with_manifest(folder, **fields) as guard:
        verdict = guard.check(text, BOMB)
    assert verdict.score == pytest.approx(verdict.windows[0].score)
    return verdict.score


def test_the_score_of_a_long_text_falls_with_its_windows_and_not_below_the_limit(keyword_checkpoint):
    text = "bomb " + "cake " * 300
    plain = scores(keyword_checkpoint, text, window_slope=0.0)
    some = scores(keyword_checkpoint, text, window_slope=0.1)
    most = scores(keyword_checkpoint, text, window_slope=9.0, window_most=1.0)
    assert plain > some > most
    assert math.log(plain / (1 - plain)) - math.log(most / (1 - most)) == pytest.approx(1.0)


def test_a_text_of_one_window_keeps_its_score(keyword_checkpoint):
    assert scores(keyword_checkpoint, "bomb", window_slope=9.0) == scores(keyword_checkpoint, "bomb", window_slope=0.0)


def test_windows_become_a_score_as_the_manifest_says(keyword_checkpoint):
    text = "cake " * 100 + "bomb"
    with with_manifest(keyword_checkpoint, aggregation="top-k") as guard:
        verdict = guard.check(text, BOMB)
    assert verdict.score < verdict.windows[0].score


def test_unless_the_manifest_says_otherwise_a_text_of_one_window_is_read_once(keyword_checkpoint):
    def calls(count, **fields):
        with with_manifest(keyword_checkpoint, **({"close_length": 12} | fields)) as guard:
            return len(guard._engine._scan("cake " * count, None, "user").ids)

    longest = Checkpoint.open(keyword_checkpoint).manifest.max_length
    fits = longest // 2
    assert calls(fits) == 1
    assert calls(fits, close_above=fits - 1) > 1
    assert calls(2 * longest) > calls(2 * longest, close_length=0) > 1


@pytest.mark.parametrize(
    ("close", "longest", "reads"), [(52, 256, True), (16, 32, True), (17, 32, False), (0, 256, False)]
)
def test_close_windows_are_much_shorter_than_the_others(keyword_checkpoint, close, longest, reads):
    manifest = Checkpoint.open(keyword_checkpoint).manifest
    assert manifest.model_copy(update={"close_length": close, "max_length": longest}).reads_close == reads
