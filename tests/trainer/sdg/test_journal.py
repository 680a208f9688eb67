"""The journal: what is kept stays, one run at a time, and its errors say what to do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from unigurd_trainer.errors import DataError, RecipeError
from unigurd_trainer.http.dialect import Answer
from unigurd_trainer.sdg.journal import Journal, request_key

WHO = {"policy": "tax", "seed": "0"}
ANSWER = Answer("text", "stop", 3, 2)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "journal.sqlite3"


def test_answers_are_found_again(path):
    with Journal(path, WHO) as journal:
        assert journal.find("a") is None
        journal.keep("a", "texts", ANSWER)
    with Journal(path, WHO) as journal:
        assert journal.find("a") == ANSWER and len(journal) == 1


def test_an_answer_outlives_a_killed_process(path):
    code = """
        import os, signal, sys
        from pathlib import Path
        from unigurd_trainer.http.dialect import Answer
        from unigurd_trainer.sdg.journal import Journal
        journal = Journal(Path(sys.argv[1]), {"policy": "tax", "seed": "0"})
        journal.keep("a", "texts", Answer("text", "stop", 3, 2))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), path], check=False)
    assert done.returncode == -signal.SIGKILL
    with Journal(path, WHO) as journal:
        assert journal.find("a") == ANSWER


def test_the_journal_of_another_run_is_refused_and_stays(path):
    with Journal(path, WHO) as journal:
        journal.keep("a", "texts", ANSWER)
    with pytest.raises(RecipeError, match="seed: 0 there, 1 here"):
        Journal(path, WHO | {"seed": "1"})
    with Journal(path, WHO) as journal:
        assert len(journal) == 1


def test_a_run_that_paid_for_nothing_leaves_the_journal_to_another(path):
    Journal(path, WHO).close()
    other = WHO | {"seed": "1"}
    with Journal(path, other) as journal:
        journal.keep("a", "texts", ANSWER)
    Journal(path, other).close()
    with pytest.raises(RecipeError):
        Journal(path, WHO)


def test_two_runs_do_not_share_a_journal(path):
    with Journal(path, WHO), pytest.raises(DataError, match="another run is using"):
        Journal(path, WHO)
    Journal(path, WHO).close()


def test_a_full_disk_is_said_to_be_full_and_nothing_is_lost(path):
    with Journal(path, WHO) as journal:
        journal.keep("a", "texts", ANSWER)
        journal._database.execute("PRAGMA max_page_count = 1")  # SQLite's own way to run full
        with pytest.raises(DataError, match="disk is full"):
            journal.keep("b", "texts", Answer("x" * 100_000))
    with Journal(path, WHO) as journal:
        assert journal.find("a") == ANSWER and journal.find("b") is None


def test_a_file_that_is_no_journal_is_left_alone(path):
    path.parent.mkdir()
    path.write_text("my notes, far longer than a header of SQLite would be " * 9)
    with pytest.raises(DataError, match="not a journal"):
        Journal(path, WHO)
    assert path.read_text().startswith("my notes")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match="permission|cannot be made"):
        Journal(tmp_path / "a" / "journal", WHO)
    tmp_path.chmod(0o700)


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(DataError, match="folder cannot be made"):
        Journal(tmp_path / "a" / "journal", WHO)


def test_other_failures_name_the_journal(tmp_path):
    with pytest.raises(DataError, match="cannot be used") as caught:
        Journal(tmp_path, WHO)
    assert caught.value.file == tmp_path


def test_use_after_close_is_an_error(path):
    journal = Journal(path, WHO)
    journal.close()
    with pytest.raises(DataError, match="closed"):
        journal.keep("a", "texts", ANSWER)


def test_the_key_holds_everything_that_makes_a_request():
    messages = [{"role": "user", "content": "é"}]
    base = {"count": 1, "seed": 0, "attempt": 0}
    keys = {request_key("m", "t", messages, **base), request_key("n", "t", messages, **base)}
    keys |= {request_key("m", "u", messages, **base), request_key("m", "t", [], **base)}
    keys |= {request_key("m", "t", messages, **(base | {name: 9})) for name in base}
    assert len(keys) == 7
    assert request_key("m", "t", messages, **base) in keys
