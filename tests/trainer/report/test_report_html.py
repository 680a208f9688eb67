"""The HTML report: one well-formed page, nothing loaded or run, data escaped, readable without colour."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from unigurd_trainer.report.html import render
from unigurd_trainer.report.measure import measure
from unigurd_trainer.report.plots import histogram, stacked_bars
from unigurd_trainer.report.tally import LENGTHS, Lengths, Split

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Collects the elements of a page and checks that they close in order."""

    def __init__(self, content):
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.feed(content)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, name):
        return [attributes for tag, attributes in self.elements if tag == name]


@pytest.fixture(scope="module")
def page(hostile_report):
    return Page(render(hostile_report, title="<b>Data</b>"))


def test_nothing_from_the_data_is_markup(page, hostile):
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "b", "a", "img", "iframe", "object", "link"}
    assert any("<script>alert('x')</script>" in text for text in page.text)
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


def test_nothing_is_loaded_and_the_page_forbids_it(page):
    assert not [
        value for _, attributes in page.elements for name, value in attributes.items() if name in ("src", "href")
    ]
    (policy,) = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert "url(" not in " ".join(page.text)
    assert "@import" not in " ".join(page.text)


def test_the_page_can_be_read_aloud_and_in_the_dark(page):
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == len(page.all("main")) == 1
    assert page.all("svg")
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in page.all("svg"))
    assert all(cell.get("scope") in ("col", "row") for cell in page.all("th"))
    assert any("prefers-color-scheme: dark" in text for text in page.text)


def test_the_numbers_are_there(page, hostile_report):
    text = " ".join(page.text)
    for section in ("Balance", "Lengths", "Duplicates", "Shortcuts", "Label noise", "Nearest texts"):
        assert section in text
    assert f"{hostile_report.noise.suspect:.1%}" in text
    assert f"{hostile_report.shortcut.wording:.3f}" in text


def test_texts_can_be_left_out(hostile_report):
    shown, hidden = render(hostile_report), render(hostile_report, texts=False)
    assert "filler" in shown
    assert "filler" not in hidden
    assert "rows.jsonl:" in hidden


def test_what_was_not_measured_is_said(write, make_rows):
    page = Page(render(measure([write(make_rows(8))])))
    assert "Not measured" in " ".join(page.text)


def test_bars_are_as_long_as_their_counts():
    svg = stacked_bars("by <x>", [Split("<one>", 30, 10), Split("two", 0, 20)])
    page = Page(svg)
    widths = [(rect["class"], float(rect["width"])) for rect in page.all("rect")]
    assert [kind for kind, _ in widths] == ["safe", "unsafe"] * 2
    longest = widths[0][1] + widths[1][1]
    assert widths[0][1] == pytest.approx(0.75 * longest, abs=0.1)
    assert widths[3][1] == pytest.approx(0.5 * longest, abs=0.1)
    assert page.all("svg")[0]["aria-label"] == "by <x>"
    assert "<one>" not in svg


def test_columns_are_as_high_as_their_counts():
    bins = (4, *[0] * (len(LENGTHS) - 1)), (2, *[0] * (len(LENGTHS) - 1))
    svg = histogram("words", *(Lengths(each, (0,) * 5) for each in bins))
    heights = [float(rect["height"]) for rect in Page(svg).all("rect")]
    assert heights[0] == pytest.approx(2 * heights[1])
    assert sum(heights[2:]) == 0
    assert len(re.findall("<text", svg)) == len(LENGTHS)


def test_plots_of_nothing_are_empty():
    assert Page(stacked_bars("none", [])).all("rect") == []
    empty = Lengths((0,) * len(LENGTHS), (0,) * 5)
    assert all(float(rect["height"]) == 0 for rect in Page(histogram("none", empty, empty)).all("rect"))
