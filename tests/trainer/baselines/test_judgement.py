"""A judgement as a line of predictions: nothing that is no verdict looks like one."""

from __future__ import annotations

import math

from unigurd_trainer.baselines.judgement import LONGEST_NOTE, Judgement


def test_a_verdict_keeps_what_was_said():
    line = Judgement(True, 0.98765432, ("S1", "S10"), "unsafe", latency_ms=12.345).prediction("x")
    assert (line.flagged, line.score, line.latency_ms, line.note) == (True, 0.987654, 12.3, "unsafe [S1, S10]")


def test_an_invalid_one_says_why_and_nothing_else():
    line = Judgement(True, 0.9, label="I cannot\nhelp", invalid="refused").prediction("x")
    assert (line.invalid, line.flagged, line.score, line.note) == (True, None, None, "refused: I cannot help")


def test_a_score_that_is_no_number_is_no_verdict():
    line = Judgement(False, math.nan, label="safe").prediction("x")
    assert (line.invalid, line.flagged, line.note) == (True, None, "the score is not a number: safe")


def test_scores_stay_in_range_and_notes_short():
    assert Judgement(True, 1.5).prediction("x").score == 1.0 and Judgement(False, -0.1).prediction("x").score == 0.0
    assert len(Judgement(True, label="x" * 999).prediction("x").note) == LONGEST_NOTE
