"""Anybody's rows become sets; what is wrong with them is named by file and line."""

from __future__ import annotations

import gzip
import json

import pytest

from unigurd_sdk.errors import InvalidPolicy, MissingExtra
from unigurd_sdk.policy import Policy
from unigurd_trainer.errors import DataError
from unigurd_trainer.measure.row_sets import read_policies_from, row_sets

ROW = {"text": "p4", "label": "unsafe", "policy": "tax"}


def write(path, *rows):
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def rows_of(chosen):
    return [row for episode in chosen.episodes for row in episode.examples]


def test_a_file_is_a_set_of_its_name_unless_rows_name_sources(tmp_path):
    path = write(tmp_path / "mine.jsonl", ROW, ROW | {"text": "m4", "label": "safe"}, ROW | {"source": "other"})
    mine, other = row_sets([path])
    assert (mine.name, mine.rows, other.name, other.rows) == ("mine", 2, "other", 1)
    assert mine.provenance.source == "mine.jsonl" and len(mine.provenance.revision) == 16
    assert mine.provenance.in_score


def test_all_that_a_row_says_is_kept(tmp_path):
    full = ROW | {"category": "c", "lang": "de", "license": "MIT", "prompt": "why?", "response": "so"}
    (only,) = row_sets([write(tmp_path / "a.jsonl", full)])
    (row,) = rows_of(only)
    assert (row.text, row.prompt, row.role, row.label) == ("so", "why?", "assistant", 1)
    assert (row.category, row.lang, row.licence) == ("c", "de", "MIT")


def test_folders_archives_and_parquet_are_read(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(json.dumps(ROW).encode()))
    parquet.write_table(arrow.Table.from_pylist([ROW | {"prompt": None}]), tmp_path / "b.parquet")
    write(tmp_path / "notes.txt", "nothing")
    assert [(each.name, each.rows) for each in row_sets([tmp_path])] == [("a", 1), ("b", 1)]


def test_a_source_may_be_spread_over_files(tmp_path):
    paths = [write(tmp_path / f"{name}.jsonl", ROW | {"source": "s", "text": name}) for name in "ab"]
    (only,) = row_sets(paths)
    assert only.provenance.source == "a.jsonl, b.jsonl" and only.rows == 2


def test_policies_come_from_files(tmp_path):
    Policy(name="cooking", description="No cooking.").save(tmp_path / "cooking.yaml")
    lines = write(tmp_path / "more.jsonl", {"name": "tax", "description": "Other tax."})
    known = read_policies_from([tmp_path / "cooking.yaml", lines])
    path = write(tmp_path / "rows.jsonl", ROW, ROW | {"policy": "cooking"}, ROW | {"policy": "hate"})
    (only,) = row_sets([path], known)
    policies = {episode.policy.name: episode.policy.description for episode in only.episodes}
    assert policies["cooking"] == "No cooking." and policies["tax"] == "Other tax." and "hate" in policies


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        ([ROW, ROW | {"label": "bad"}], 2, "'bad' is neither"),
        ([ROW, ROW | {"label": 1}], 2, "neither"),
        ([ROW, "", ROW | {"policy": "taxes"}], 3, r"'taxes'.*--policies"),
        ([{"text": "t", "label": "safe"}], 1, "'policy'"),
        ([ROW, ROW | {"text": " "}], 2, "'text'"),
        (["text,label,policy", "a,safe,tax"], 1, "JSON"),
        ([json.dumps([ROW])], 1, "not a JSON object"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, lines, line, words):
    path = write(tmp_path / "rows.jsonl", *lines)
    with pytest.raises(DataError, match=words) as caught:
        row_sets([path])
    assert (caught.value.file, caught.value.line) == (path, line)


def test_other_encodings_are_named_and_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(ROW).encode() + b"\n")
    assert row_sets([path])[0].rows == 1
    path.write_bytes(json.dumps(ROW).encode() + b'\n{"text": "caf\xe9"}\n')
    with pytest.raises(DataError, match="line 2"):
        row_sets([path])


@pytest.mark.parametrize("name", ["missing.jsonl", "rows.csv", "empty.jsonl", "folder"])
def test_nothing_to_read_is_an_error(tmp_path, name):
    (tmp_path / "folder").mkdir()
    write(tmp_path / "rows.csv", "text,label")
    write(tmp_path / "empty.jsonl")
    with pytest.raises(DataError, match=name):
        row_sets([tmp_path / name])


def test_a_file_of_policies_that_holds_none_is_named(tmp_path):
    path = write(tmp_path / "p.jsonl", {"name": "a", "description": "No a."}, {"name": "b"})
    with pytest.raises(DataError, match="line 2.*description"):
        read_policies_from([path])
    (tmp_path / "p.yaml").write_text("name: b\n")
    with pytest.raises(InvalidPolicy, match="description"):
        read_policies_from([tmp_path / "p.yaml"])


def test_parquet_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(MissingExtra, match="pyarrow"):
        row_sets([tmp_path])
