"""`unigurd-train data`: reports and cleans files from the command line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from unigurd_trainer.errors import DataError
from unigurd_trainer.report import cli
from unigurd_trainer.row_files import encoder


@pytest.fixture
def invoke(monkeypatch, bag):
    """Run the application with a small encoder instead of the bundled one."""
    monkeypatch.setattr(cli, "_embedder", lambda semantic, threads: bag if semantic else None)

    def invoke(*arguments):
        return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])

    return invoke


def test_report_writes_page_card_and_numbers(invoke, write, make_rows, tmp_path):
    path = write(make_rows(40), "mine.jsonl")
    out, card, numbers = tmp_path / "r.html", tmp_path / "card.md", tmp_path / "r.json"
    result = invoke("report", path, "--out", out, "--card", card, "--json", numbers)
    assert result.exit_code == 0, result.output
    assert "<title>mine</title>" in out.read_text(encoding="utf-8")
    assert card.read_text(encoding="utf-8").startswith("# mine\n")
    assert json.loads(numbers.read_text())["safe"] == 20
    assert "AUC without the policy" in result.output


def test_parquet_is_reported_like_lines(invoke, write, make_rows, tmp_path):
    pytest.importorskip("pyarrow")
    rows = [*make_rows(40)]
    (tmp_path / "table").mkdir()
    (tmp_path / "table/mine.parquet").write_bytes(encoder("parquet")(rows))
    numbers = []
    for place in (write(rows, "mine.jsonl"), tmp_path / "table/mine.parquet"):
        out, card = tmp_path / "r.json", tmp_path / "card.md"
        result = invoke("report", place, "--out", tmp_path / "r.html", "--json", out, "--card", card)
        assert result.exit_code == 0, result.output
        assert card.read_text(encoding="utf-8").startswith("# mine\n")
        numbers.append(json.loads(out.read_text().replace("mine.parquet", "mine.jsonl")))
    assert numbers[0] == numbers[1]


def test_report_can_leave_texts_out(invoke, write, make_rows, tmp_path):
    out = tmp_path / "r.html"
    assert invoke("report", write(make_rows(40)), "--out", out, "--no-texts").exit_code == 0
    assert "filler" not in out.read_text(encoding="utf-8")


def test_dedup_writes_what_is_kept_and_says_how_much(invoke, write, make_rows, tmp_path):
    rows = list(make_rows(20, telling=0))
    result = invoke("dedup", write([*rows, *rows[:5]]), tmp_path / "out", "--no-semantic")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[0]) == {
        "rows": 25, "kept": 20, "exact": 5, "lexical": 0, "semantic": 0, "review": 0,
    }  # fmt: skip
    assert len((tmp_path / "out/rows.jsonl").read_text().splitlines()) == 20


def test_options_reach_the_pipeline(invoke, write, make_rows, tmp_path):
    path = write(make_rows(20))
    assert invoke("dedup", path, tmp_path / "a", "--tau", "0.2", "--greedy", "--batch", "4").exit_code == 0
    options = json.loads((tmp_path / "a/dedup/counts.json").read_text())["options"]
    assert (options["tau"], options["greedy"], options["batch"]) == (0.2, True, 4)


def test_a_bad_line_is_an_error_of_ours(invoke, write, tmp_path):
    result = invoke("dedup", write([{"text": "no label"}]), tmp_path / "out")
    assert isinstance(result.exception, DataError)
    assert "line 1" in str(result.exception)
