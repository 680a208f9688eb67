"""Records: labelled lines of any JSON Lines file; a bad one is named by file and line."""

from __future__ import annotations

import gzip
import json

import pytest

from unigurd_trainer.dedup.records import read_records, shards
from unigurd_trainer.errors import DataError
from unigurd_trainer.row_files import encoder
from unigurd_trainer.sdg.samples import Control, Provenance, Sample, to_record


def records(path):
    return [located.record for located in read_records([path])]


def test_a_sample_keeps_what_it_says(write_rows):
    made = Provenance("llm:x", source="web", licence="MIT", flipped=True)
    control = Control(behaviour="hiding income", difficulty="borderline", language="de")
    sample = Sample("tax", "Yes.", 1, "r", made, control, role="assistant", prompt="May I?", confidence=0.7, group="g")
    (record,) = records(write_rows("a.jsonl", [to_record(sample)]))
    assert (record.text, record.label, record.id, record.policy) == ("Yes.", 1, sample.id, "tax")
    assert (record.role, record.prompt, record.whole, record.scope) == (
        "assistant",
        "May I?",
        "May I?\nYes.",
        "tax/assistant",
    )
    assert (record.language, record.behaviour, record.difficulty, record.group) == (
        "de",
        "hiding income",
        "borderline",
        "g",
    )
    assert (record.source, record.licence, record.generator) == ("web", "MIT", "llm:x")
    assert (record.confidence, record.flipped) == (0.7, True)


@pytest.mark.parametrize(("label", "number"), [("safe", 0), ("unsafe", 1), (0, 0), (1, 1)])
def test_a_text_and_a_label_are_enough(write_rows, label, number):
    (record,) = records(write_rows("a.jsonl", [{"text": "hi", "label": label, "whatever": [1]}]))
    assert (record.label, record.role, record.policy, record.confidence) == (number, "user", "", 1.0)
    assert len(record.id) == 16


def test_other_spellings_of_fields_are_known(write_rows):
    (record,) = records(write_rows("a.jsonl", [{"text": "hi", "label": 0, "lang": "fr", "license": "MIT"}]))
    assert (record.language, record.licence) == ("fr", "MIT")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[]", "one JSON object"),
        ('{"label": 0}', "'text' is missing"),
        ('{"text": "a"}', "'label' is missing"),
        ('{"text": " ", "label": 0}', "text is empty"),
        ('{"text": 3, "label": 0}', "'text' must be a string, not int"),
        ('{"text": "a", "label": "bad"}', "safe, unsafe, 0 or 1, not 'bad'"),
        ('{"text": "a", "label": true}', "not True"),
        ('{"text": "a", "label": []}', "safe, unsafe, 0 or 1"),
        ('{"text": "a", "label": 0, "role": "cat"}', "role 'cat'"),
        ('{"text": "a", "label": 0, "confidence": 2}', "from 0 to 1"),
        ('{"text": "a", "label": 0, "confidence": NaN}', "from 0 to 1"),
        ('{"text": "a", "label": 0, "policy": 3}', "'policy' must be a string"),
        ('{"text": "a", "label": "safe", "policy": "p", "rationale": "", "provenance": {}}', "not a labelled text"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, reason):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "fine", "label": 0}\n\n' + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=reason) as caught:
        records(path)
    assert (caught.value.file, caught.value.line) == (path, 3)


def test_bytes_that_are_not_utf8_are_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"text": "\xff", "label": 0}\n')
    with pytest.raises(DataError, match="rows.jsonl, line 1: "):
        records(path)


def test_gzip_is_read_and_a_broken_archive_is_named(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    packed = gzip.compress(json.dumps({"text": "hi", "label": 0}).encode() * 50)
    path.write_bytes(gzip.compress(b'{"text": "hi", "label": 0}\n'))
    assert records(path)[0].text == "hi"
    path.write_bytes(packed[:20])
    with pytest.raises(DataError, match="cannot be read"):
        records(path)


def test_shards_of_a_folder_come_by_name(tmp_path, write_rows):
    for name in ("b.jsonl", "a.jsonl", "notes.txt", "deep/c.jsonl", ".shard-0.jsonl", "d.parquet"):
        write_rows(name, [])
    (tmp_path / "c.jsonl.gz").write_bytes(b"")
    assert [path.name for path in shards([tmp_path])] == ["a.jsonl", "b.jsonl", "c.jsonl.gz", "d.parquet"]


def test_parquet_rows_are_the_same_records(tmp_path, write_rows):
    pytest.importorskip("pyarrow")
    rows = [
        {"text": "hi", "label": "safe", "lang": "fr", "group": "g"},
        {"text": "oh", "label": "unsafe", "role": "user"},
    ]
    (tmp_path / "a.parquet").write_bytes(encoder("parquet")(rows))
    assert records(tmp_path / "a.parquet") == records(write_rows("a.jsonl", rows))


def test_a_bad_row_of_a_parquet_file_is_named_by_its_place(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    path.write_bytes(encoder("parquet")([{"text": "hi", "label": "safe"}, {"text": "oh", "label": None}]))
    with pytest.raises(DataError, match=r"a\.parquet, line 2: the field 'label' is missing"):
        records(path)


def test_a_place_without_data_is_named(tmp_path):
    with pytest.raises(DataError, match="holds no"):
        shards([tmp_path])
    with pytest.raises(DataError, match="is not there"):
        shards([tmp_path / "none.jsonl"])
    with pytest.raises(DataError, match="no file was named"):
        shards([])
