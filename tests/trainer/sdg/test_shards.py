"""Shards: complete or absent, whatever happens."""

from __future__ import annotations

import errno
import hashlib
import json
import os

import pytest

from unigurd_trainer.errors import DataError, TrainerError
from unigurd_trainer.sdg.shards import INDEX, ShardWriter, read_index, replace_file, shard_paths


def rows(folder):
    return [json.loads(line) for path in shard_paths(folder) for line in path.read_text(encoding="utf-8").splitlines()]


def fill(folder, start, stop, **options):
    with ShardWriter(folder, rows_per_shard=4, **options) as writer:
        for number in range(start, stop):
            writer.write({"n": number, "text": "é\ud800"})


def test_rows_are_cut_into_shards_and_indexed(tmp_path):
    fill(tmp_path / "made", 0, 10)
    index = read_index(tmp_path / "made")
    assert [shard.rows for shard in index.shards] == [4, 4, 2]
    assert index.rows == 10 and [row["n"] for row in rows(tmp_path / "made")] == [*range(10)]
    for shard in index.shards:
        content = (tmp_path / "made" / shard.file).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (shard.sha256, shard.bytes)


def test_a_second_writer_goes_on(tmp_path):
    fill(tmp_path, 0, 6)
    fill(tmp_path, 6, 9)
    assert [row["n"] for row in rows(tmp_path)] == [*range(9)]


def test_a_shard_that_was_written_but_not_indexed_is_written_again(tmp_path):
    fill(tmp_path, 0, 4)
    (tmp_path / "shard-00001.jsonl").write_text("half a li")
    (tmp_path / ".shard-00001.jsonl.tmp").write_text("ha")
    fill(tmp_path, 4, 8)
    assert [row["n"] for row in rows(tmp_path)] == [*range(8)]
    assert not [*tmp_path.glob(".*tmp")]


def test_what_was_written_stays_when_the_caller_fails(tmp_path):
    with pytest.raises(KeyboardInterrupt), ShardWriter(tmp_path, rows_per_shard=4) as writer:
        for number in range(6):
            writer.write({"n": number})
        raise KeyboardInterrupt
    assert [row["n"] for row in rows(tmp_path)] == [*range(6)]


def test_the_state_of_the_caller_is_kept(tmp_path):
    with ShardWriter(tmp_path) as writer:
        writer.state["next"] = 7
    assert ShardWriter(tmp_path).state == {"next": 7}


def test_a_full_disk_is_a_clear_error_and_loses_the_buffer_only(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(TrainerError, match=r"No space left.*run the same command again"):
        with ShardWriter(tmp_path, rows_per_shard=4) as writer:
            for number in range(10):
                if number == 7:
                    monkeypatch.setattr(os, "fsync", full)
                writer.write({"n": number})
    monkeypatch.undo()
    assert [row["n"] for row in rows(tmp_path)] == [0, 1, 2, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == [INDEX, "shard-00000.jsonl"]


def test_a_damaged_index_is_named(tmp_path):
    (tmp_path / INDEX).write_text("{")
    with pytest.raises(DataError, match=INDEX):
        ShardWriter(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainerError, match="cannot be made"):
        ShardWriter(tmp_path / "file" / "folder")


def test_an_unknown_form(tmp_path):
    with pytest.raises(TrainerError, match="csv"):
        ShardWriter(tmp_path, form="csv")


def test_parquet_holds_the_same_rows(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    with ShardWriter(tmp_path, form="parquet", rows_per_shard=2) as writer:
        for number in range(3):
            writer.write({"n": number, "deep": {"a": "b"}})
    found = [row for path in shard_paths(tmp_path) for row in parquet.read_table(path).to_pylist()]
    assert found == [{"n": number, "deep": {"a": "b"}} for number in range(3)]


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "file"
    replace_file(path, b"one")
    replace_file(path, b"two")
    assert path.read_bytes() == b"two" and [*tmp_path.iterdir()] == [path]
