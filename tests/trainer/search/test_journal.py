"""The journal: on disk line by line, repaired after a kill, of one search only."""

import pytest

from unigurd_trainer.errors import DataError, RecipeError
from unigurd_trainer.search.journal import Journal, read_journal

IDENTITY = {"recipe": "a", "weights": ["b"]}


def test_records_come_back_in_order(tmp_path):
    journal = Journal(tmp_path / "out" / "journal.jsonl", IDENTITY)
    journal.add({"kind": "trial", "number": 1, "f1": 0.1 + 0.2})
    journal.add({"kind": "single", "index": 0})
    again = Journal(journal.file, IDENTITY)
    assert again.records == journal.records == read_journal(journal.file)
    assert again.of_kind("trial") == [{"kind": "trial", "number": 1, "f1": 0.30000000000000004}]


@pytest.mark.parametrize("torn", [b'{"kind": "trial", "number"', b'{"kind": "trial", "number": 2}', b"\x00\x00\x00"])
def test_what_a_kill_cut_off_is_dropped(tmp_path, torn):
    journal = Journal(tmp_path / "journal.jsonl", IDENTITY)
    journal.add({"kind": "trial", "number": 1})
    whole = journal.file.read_bytes()
    journal.file.write_bytes(whole + torn)
    assert [record["number"] for record in Journal(journal.file, IDENTITY).of_kind("trial")] == [1]
    assert journal.file.read_bytes() == whole


def test_an_empty_file_is_begun_anew(tmp_path):
    (tmp_path / "journal.jsonl").write_bytes(b'{"kind": "sea')
    assert Journal(tmp_path / "journal.jsonl", IDENTITY).records == [{"kind": "search", **IDENTITY}]


def test_the_journal_of_another_search_is_refused(tmp_path):
    file = Journal(tmp_path / "journal.jsonl", IDENTITY).file
    before = file.read_bytes()
    with pytest.raises(RecipeError, match="another search; they differ in weights. Use another folder"):
        Journal(file, {**IDENTITY, "weights": ["c"]})
    assert file.read_bytes() == before


def test_a_broken_line_in_the_middle_is_named(tmp_path):
    file = Journal(tmp_path / "journal.jsonl", IDENTITY).file
    file.write_bytes(file.read_bytes() + b'nonsense\n{"kind": "trial"}\n')
    with pytest.raises(DataError, match=r"journal.jsonl, line 2: not a line of a search's journal"):
        read_journal(file)
    with pytest.raises(DataError, match="cannot be read"):
        read_journal(tmp_path / "missing.jsonl")
