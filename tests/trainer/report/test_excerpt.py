"""Excerpts: nothing from the data reaches a terminal or a page but characters that print."""

from __future__ import annotations

from unigurd_trainer.report.excerpt import excerpt, printable


def test_what_does_not_print_is_marked(hostile):
    shown = printable(hostile)
    assert shown.isprintable()
    assert "\x1b" not in shown
    assert "\ufffd[31m\ufffd\ufffd |" in shown
    shown.encode("utf-8")


def test_lines_become_one():
    assert printable("a\n\tb \r\n c") == "a b c"


def test_long_texts_end_in_an_ellipsis():
    assert excerpt("x" * 300, 10) == "x" * 9 + "\u2026"
    assert excerpt("short", 10) == "short"
