"""Plots say what there is to see, and the same answers give the same bytes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from unigurd_trainer.measure.plots import draw_set


def drawn(folder, *models):
    draw_set("a/set", models, folder)
    return (folder / "a-set.svg").read_text()


def test_the_same_answers_give_the_same_picture(make_judged, tmp_path):
    judged = make_judged([1, 0] * 20, np.linspace(0, 1, 40))
    first = drawn(tmp_path / "one", ("acme", judged))
    assert "AUPRC" in first and drawn(tmp_path / "two", ("acme", judged)) == first
    assert (tmp_path / "one/a-set.png").read_bytes() == (tmp_path / "two/a-set.png").read_bytes()


def test_one_class_has_scores_only(make_judged, tmp_path):
    text = drawn(tmp_path, ("acme", make_judged([0] * 10, np.linspace(0, 1, 10))))
    assert text.count("one class only") == 2 and "safe, 10 rows" in text


def test_too_few_rows_for_a_bin_are_no_error(make_judged, tmp_path):
    assert "ECE" in drawn(tmp_path, ("acme", make_judged([0, 1, 0, 1], [0.1, 0.9, 0.4, 0.6])))


def test_verdicts_without_scores_are_a_point(make_judged, tmp_path):
    silent = make_judged([1, 0] * 10, flagged=[True, False] * 10)
    text = drawn(tmp_path, ("quiet", silent), ("acme", make_judged([1, 0] * 10, np.linspace(0, 1, 20))))
    assert "quiet gives no scores" in text and "acme, AUPRC" in text and "it gives no scores" in text
