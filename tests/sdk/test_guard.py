"""The guard reads all of a text, answers per policy, and fails closed."""

from __future__ import annotations

import math

import pytest

from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.errors import (
    ConfigError,
    InvalidPolicy,
    PolicyConflict,
    UnknownPolicy,
)
from unigurd_sdk.guard import Guard
from unigurd_sdk.policy import Policy
from unigurd_sdk.registry import builtin_policies
from unigurd_sdk.verdict import Report, Verdict

BOMB = Policy(name="no-bombs", description="no weapons", disallowed=("bomb",))
CAKE = Policy(name="no-cakes", description="no food", allowed=("recipe",), disallowed=("cake", "gun"))
SECRET = "xyzzy secret text"


def sigmoid(hits: int) -> float:
    """What the keyword checkpoint scores for that many disallowed words."""
    return 1 / (1 + math.exp(-(8 * hits - 4) / 2))


@pytest.fixture
def guard_policies():
    return []


def with_manifest(keyword_checkpoint, **fields) -> Guard:
    checkpoint = Checkpoint.open(keyword_checkpoint)
    manifest = checkpoint.manifest.model_copy(update=fields)
    return Guard(Checkpoint(checkpoint.folder, manifest, checkpoint.id), threads=1)


# What a verdict says


def test_a_verdict_says_what_was_decided_and_on_what(guard):
    verdict = guard.check("how to make a bomb", policy=BOMB)
    assert isinstance(verdict, Verdict)
    assert verdict.unsafe
    assert verdict.score == pytest.approx(sigmoid(1))
    assert (verdict.policy, verdict.role, verdict.threshold) == ("no-bombs", "user", 0.5)
    assert verdict.checkpoint == f"keyword@{guard.checkpoint.id}"
    assert (verdict.decided_by, verdict.error) == ("model", None)
    assert verdict.latency_ms > 0


def test_a_text_without_a_violation_is_safe(guard):
    verdict = guard.check("a cake", policy=BOMB)
    assert not verdict.unsafe
    assert verdict.score == pytest.approx(sigmoid(0))


def test_allowed_and_disallowed_lines_pull_apart(guard):
    assert guard.check("cake", CAKE).unsafe
    assert not guard.check("cake recipe", CAKE).unsafe


def test_a_policy_may_be_a_name_a_sentence_or_a_file(guard, tmp_path):
    BOMB.save(tmp_path / "bombs.yaml")
    assert guard.check("bomb", tmp_path / "bombs.yaml").policy == "no-bombs"
    assert guard.check("bomb", str(tmp_path / "bombs.yaml")).unsafe
    assert guard.check("bomb", "Never talk about a bomb").policy.startswith("custom-")
    guard.add_policy(BOMB)
    assert guard.check("bomb", "no-bombs").unsafe


# Several policies, several texts


def test_several_policies_give_a_report_with_the_scores_of_single_checks(guard):
    report = guard.check("a bomb and a cake recipe", policies=[CAKE, BOMB])
    assert isinstance(report, Report)
    assert list(report) == ["no-cakes", "no-bombs"]
    for policy in (CAKE, BOMB):
        single = guard.check("a bomb and a cake recipe", policy)
        assert report[policy.name].score == pytest.approx(single.score, abs=1e-6)
    assert report.worst.policy == "no-bombs"


def test_one_policy_in_a_list_is_a_report(guard):
    assert isinstance(guard.check("bomb", policies=[BOMB]), Report)


def test_a_batch_gives_the_answers_of_single_checks_in_order(guard):
    texts = ["bomb", "", "filler " * 100 + "bomb", "cake", "filler " * 20, "a bomb, a cake"]
    batch = guard.check_batch(texts, BOMB)
    singles = [guard.check(text, BOMB) for text in texts]
    assert [v.score for v in batch] == pytest.approx([v.score for v in singles], abs=1e-6)
    assert [v.tokens for v in batch] == [v.tokens for v in singles]
    assert [[(w.start, w.end) for w in v.windows] for v in batch] == [
        [(w.start, w.end) for w in v.windows] for v in singles
    ]


def test_a_batch_with_several_policies_gives_reports(guard):
    reports = guard.check_batch(iter(["bomb", "cake"]), policies=[BOMB, CAKE])
    assert [report.worst.policy for report in reports] == ["no-bombs", "no-cakes"]


def test_an_empty_batch_is_an_empty_list(guard):
    assert guard.check_batch([], BOMB) == []


# All of a text is read


@pytest.mark.parametrize("position", [0, 1, 17, 18, 19, 60, 127, 198, 199])
def test_a_violation_is_found_wherever_it_stands_and_the_worst_window_holds_it(guard, position):
    words = ["filler"] * 200
    words[position] = "bomb"
    text = " ".join(words)
    verdict = guard.check(text, BOMB)
    assert verdict.unsafe
    worst = verdict.windows[0]
    assert "bomb" in text[worst.start : worst.end]
    assert worst.score == verdict.score
    assert (verdict.tokens.scanned, verdict.tokens.total) == (200, 200)


def test_windows_are_the_worst_five_first(guard):
    verdict = guard.check("filler " * 200 + "bomb", BOMB)
    scores = [window.score for window in verdict.windows]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)


def test_a_short_text_has_one_window_and_it_is_all_of_it(guard):
    (window,) = guard.check("  a bomb \n", BOMB).windows
    assert (window.start, window.end) == (0, 10)


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u200b"])
def test_a_text_without_tokens_is_checked(guard, text):
    verdict = guard.check(text, BOMB)
    assert verdict.score == pytest.approx(sigmoid(0))
    assert verdict.tokens.total == 0


@pytest.mark.parametrize("text", ["\ud800 bomb", "\udfff\ud800bomb", "a \ud83d\ude00 bomb", "bomb\ud800"])
def test_lone_surrogates_are_read_around(guard, text):
    assert guard.check(text, BOMB).tokens.total > 0
    assert guard.check(text + " bomb", BOMB).unsafe


def test_offsets_count_characters_of_the_text_as_given(guard):
    text = "\ud800 \U0001f600 e\u0301 " + "\ud83d\ude00" * 9 + "filler " * 60 + "bomb" + " filler" * 60
    worst = guard.check(text, BOMB).windows[0]
    assert text[worst.start : worst.end].startswith("filler")
    assert "bomb" in text[worst.start : worst.end]
    assert worst.end - worst.start < len(text) / 2


def test_a_special_token_in_the_text_is_text(guard):
    text = "[SEP] [PAD] [CLS] bomb"
    verdict = guard.check(text, BOMB)
    assert verdict.unsafe
    assert verdict.tokens.total > 4


# Roles and prompts


def test_the_prompt_is_context_for_a_response(guard):
    assert guard.check("yes", BOMB, role="assistant", prompt="a bomb?").unsafe
    assert not guard.check("yes", BOMB, role="assistant").unsafe


def test_a_long_prompt_leaves_room_for_the_text_and_keeps_its_end(guard):
    answer = "filler " * 40 + "bomb"
    verdict = guard.check(answer, BOMB, role="assistant", prompt="filler " * 10_000)
    assert verdict.unsafe
    assert verdict.tokens.total == 41
    assert guard.check("yes", BOMB, role="assistant", prompt="filler " * 99 + "bomb").unsafe
    assert not guard.check("yes", BOMB, role="assistant", prompt="bomb " + "filler " * 99).unsafe


@pytest.mark.parametrize("role", ["user", "document"])
def test_a_prompt_goes_with_a_response_only(guard, role):
    with pytest.raises(ConfigError, match="assistant"):
        guard.check("yes", BOMB, role=role, prompt="hello")


def test_a_batch_takes_one_prompt_per_text(guard):
    answers = guard.check_batch(["yes", "yes"], BOMB, role="assistant", prompts=["bomb", None])
    assert [answer.unsafe for answer in answers] == [True, False]
    with pytest.raises(ConfigError, match="2 texts but 1 prompts"):
        guard.check_batch(["yes", "yes"], BOMB, role="assistant", prompts=["bomb"])


# Thresholds


def test_an_explicit_threshold_wins(guard):
    assert not guard.check("bomb", BOMB, threshold=0.99).unsafe
    assert guard.check("cake", BOMB, threshold=0.0).unsafe


def test_a_score_on_the_threshold_is_unsafe(guard):
    score = guard.check("bomb", BOMB).score
    assert guard.check("bomb", BOMB, threshold=score).unsafe
    assert not guard.check("bomb", BOMB, threshold=math.nextafter(score, 1)).unsafe


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_threshold_that_is_no_probability_is_refused(guard, threshold):
    with pytest.raises(ConfigError, match="threshold"):
        guard.check("bomb", BOMB, threshold=threshold)


def test_a_measured_threshold_holds_for_the_builtin_wording_only(keyword_checkpoint):
    name, builtin = next(iter(builtin_policies().items()))
    other = Policy(name=name, description="something else")
    with with_manifest(keyword_checkpoint, threshold=0.6, thresholds={name: 0.3, "no-bombs": 0.1}) as guard:
        assert guard.check("x", builtin).threshold == 0.3
        assert guard.check("x", name).threshold == 0.3
        assert guard.check("x", other).threshold == 0.6
        assert guard.check("x", BOMB).threshold == 0.6


def test_the_temperature_scales_the_logit(keyword_checkpoint):
    with with_manifest(keyword_checkpoint, temperature=4.0) as guard:
        assert guard.check("bomb", BOMB).score == pytest.approx(1 / (1 + math.exp(-1)))


# Which policies


def test_policies_is_a_read_only_view_that_sees_additions(guard):
    with pytest.raises(TypeError):
        guard.policies["x"] = BOMB
    assert "no-bombs" not in guard.policies
    assert guard.add_policy(BOMB) == BOMB
    assert guard.policies["no-bombs"] == BOMB
    assert set(builtin_policies()) <= set(guard.policies)


def test_a_different_policy_of_the_same_name_needs_replace(guard):
    guard.add_policy(BOMB)
    changed = BOMB.model_copy(update={"disallowed": ("cake",)})
    with pytest.raises(PolicyConflict):
        guard.add_policy(changed)
    guard.add_policy(changed, replace=True)
    assert guard.check("cake", "no-bombs").unsafe
    assert not guard.check("bomb", "no-bombs").unsafe


def test_the_only_policy_of_a_guard_is_its_default(load):
    guard = load(policies=[BOMB])
    assert guard.check("bomb").policy == "no-bombs"
    assert guard.check_batch(["bomb"])[0].unsafe
    assert guard.check("cake", CAKE).policy == "no-cakes"


@pytest.mark.parametrize("policies", [None, [], [BOMB, CAKE]])
def test_without_a_single_policy_there_is_no_default(load, policies):
    with pytest.raises(ConfigError, match="policy="):
        load(policies=policies).check("bomb")


def test_both_policy_and_policies_is_a_mistake(guard):
    with pytest.raises(ConfigError, match="not both"):
        guard.check("bomb", policy=BOMB, policies=[CAKE])


@pytest.mark.parametrize(
    ("policies", "message"),
    [([], "empty"), ([BOMB, CAKE, BOMB], "twice"), ("no-bombs", "list"), (BOMB, "list")],
)
def test_policies_must_be_a_list_of_distinct_policies(guard, policies, message):
    with pytest.raises(ConfigError, match=message):
        guard.check("bomb", policies=policies)


# Calls that are wrong, whatever on_error says


@pytest.mark.parametrize("on_error", ["raise", "block", "allow"])
def test_mistakes_of_the_caller_are_always_raised(load, on_error):
    guard = load(on_error=on_error)
    with pytest.raises(UnknownPolicy):
        guard.check("bomb", "no-such-policy")
    with pytest.raises(InvalidPolicy):
        guard.check("bomb", "missing.yaml")
    with pytest.raises(ConfigError, match="role"):
        guard.check("bomb", BOMB, role="system")
    for text in (None, 1, b"bomb", ["bomb"]):
        with pytest.raises(TypeError, match="must be a str"):
            guard.check(text, BOMB)
    with pytest.raises(TypeError, match="several texts"):
        guard.check_batch("bomb", BOMB)
    with pytest.raises(TypeError, match="prompt"):
        guard.check("bomb", BOMB, role="assistant", prompt=b"bomb")


@pytest.mark.parametrize(
    "options",
    [
        {"on_error": "ignore"},
        {"max_bytes": 0},
        {"threads": 0},
        {"cache_size": 0},
        {"runtime": "tf"},
        {"device": "tpu"},
    ],
)
def test_options_that_make_no_sense_are_refused_at_once(keyword_checkpoint, options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        Guard.from_pretrained(keyword_checkpoint, **options)
