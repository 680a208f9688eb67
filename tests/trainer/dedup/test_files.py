"""De-duplication of files: lines are kept byte for byte, and everything else is accounted for."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from unigurd_sdk.errors import ConfigError
from unigurd_trainer.dedup.files import run
from unigurd_trainer.errors import DataError
from unigurd_trainer.row_files import encoder, read_rows
from unigurd_trainer.sdg.samples import LABELS

ROWS: list[dict[str, Any]] = [
    {"id": "1", "text": "Hide  my income 0", "label": "unsafe"},
    {"id": "2", "text": "hide my income 0", "label": 1, "extra": {"kept": "as it is"}},
    {"id": "3", "text": "HIDE my income 0", "label": "safe"},
]
MORE = [{"id": "4", "text": "gone by meaning 1", "label": "unsafe"}, {"id": "5", "text": "\ud800 stays 90", "label": 0}]


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_kept_lines_go_to_files_of_the_same_name(tmp_path, write_rows, angles):
    first, second = write_rows("in/a.jsonl", ROWS), write_rows("in/b.jsonl", MORE)
    outcome = run([tmp_path / "in"], tmp_path / "out", embedder=angles)
    assert outcome.counts == {"rows": 5, "kept": 3, "exact": 1, "lexical": 0, "semantic": 1, "review": 1}
    originals = first.read_bytes().splitlines(True), second.read_bytes().splitlines(True)
    assert (tmp_path / "out/a.jsonl").read_bytes() == originals[0][0] + originals[0][2]
    assert (tmp_path / "out/b.jsonl").read_bytes() == originals[1][1]


def test_what_is_dropped_or_in_doubt_is_noted(tmp_path, write_rows, angles):
    write_rows("in/a.jsonl", ROWS)
    write_rows("in/b.jsonl", MORE)
    run([tmp_path / "in"], tmp_path / "out", embedder=angles)
    notes = tmp_path / "out/dedup"
    assert lines(notes / "dropped.jsonl") == [
        {"id": "2", "tier": "exact", "kept": "1", "file": "a.jsonl", "line": 2},
        {"id": "4", "tier": "semantic", "kept": "1", "file": "b.jsonl", "line": 1},
    ]
    (review,) = lines(notes / "review.jsonl")
    assert (review["tier"], review["similarity"]) == ("exact", 1.0)
    assert [(row["id"], row["label"], row["line"]) for row in review["rows"]] == [("1", "unsafe", 1), ("3", "safe", 3)]
    counts = json.loads((notes / "counts.json").read_text())
    assert counts["counts"]["kept"] == 3
    assert counts["options"]["tau"] == 0.9


def test_the_result_is_read_again_as_data_and_stays(tmp_path, write_rows):
    write_rows("in/a.jsonl", ROWS)
    run([tmp_path / "in"], tmp_path / "out")
    again = run([tmp_path / "out"], tmp_path / "again")
    assert again.counts["rows"] == again.counts["kept"] == 2


def test_gzipped_shards_are_written_plain(tmp_path):
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(b'{"text": "a", "label": 0}\r\n{"text": "A", "label": 0}'))
    run([packed], tmp_path / "out")
    assert (tmp_path / "out/a.jsonl").read_bytes() in (b'{"text": "a", "label": 0}\n', b'{"text": "A", "label": 0}\n')


def test_parquet_shards_stay_parquet(tmp_path, write_rows, angles):
    pytest.importorskip("pyarrow")
    rows = [{**row, "label": LABELS[row["label"]] if isinstance(row["label"], int) else row["label"]} for row in ROWS]
    write_rows("lines/a.jsonl", rows)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.parquet").write_bytes(encoder("parquet")(rows))
    outcome = run([tmp_path / "in"], tmp_path / "out", embedder=angles)
    assert outcome.counts == run([tmp_path / "lines"], tmp_path / "same", embedder=angles).counts
    kept = [row.values["id"] for row in read_rows(tmp_path / "out/a.parquet")]
    assert kept == [line["id"] for line in lines(tmp_path / "same/a.jsonl")] == ["1", "3"]
    (dropped,) = lines(tmp_path / "out/dedup/dropped.jsonl")
    assert (dropped["file"], dropped["line"]) == ("a.parquet", 2)


def test_a_broken_parquet_shard_is_named_and_nothing_is_written(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"a\.parquet: cannot be read as Parquet"):
        run([tmp_path / "a.parquet"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_data_is_never_overwritten(tmp_path, write_rows):
    path = write_rows("a.jsonl", ROWS)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="holds the data itself"):
        run([path], tmp_path)
    with pytest.raises(ConfigError, match="must be a folder"):
        run([path], tmp_path / "new.jsonl")
    with pytest.raises(ConfigError, match="must be a folder"):
        run([path], tmp_path / "new.parquet")
    assert path.read_bytes() == before


def test_the_parts_of_a_data_set_stay_apart(tmp_path, write_rows):
    for part, text in (("train", "a text that trains"), ("dev", "another one that measures")):
        write_rows(f"data/{part}/shard-00000.jsonl", [{"text": text, "label": "safe"}])
    write_rows("data/review.jsonl", [{"rows": []}])
    run([tmp_path / "data"], tmp_path / "out")
    written = [path.relative_to(tmp_path / "out").as_posix() for path in sorted((tmp_path / "out").rglob("shard-*"))]
    assert written == ["dev/shard-00000.jsonl", "train/shard-00000.jsonl"]


def test_two_shards_of_one_name_are_refused(tmp_path, write_rows):
    places = [write_rows("x/a.jsonl", ROWS), write_rows("y/a.jsonl", ROWS)]
    with pytest.raises(ConfigError, match="same name"):
        run(places, tmp_path / "out")


def test_nothing_is_written_if_a_line_is_bad(tmp_path, write_rows):
    write_rows("in/a.jsonl", [*ROWS, {"text": "no label"}])
    with pytest.raises(DataError, match="line 4"):
        run([tmp_path / "in"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
