"""Row files: every form is read alike, copied without a change, and named when it is broken."""

from __future__ import annotations

import datetime
import gzip
import json
import sys

import pytest

from unigurd_sdk.errors import MissingExtra
from unigurd_trainer.errors import DataError, TrainerError
from unigurd_trainer.row_files import copier, encoder, read_rows
from unigurd_trainer.sdg.samples import Control, Provenance, Sample, from_record, read_samples, to_record

parquet = pytest.importorskip("pyarrow.parquet")

RECORDS = [{"text": f"text {number} é", "label": "safe", "deep": {"n": number}, "list": []} for number in range(3000)]


@pytest.fixture(params=["jsonl", "parquet"])
def written(request, tmp_path):
    """A file of `RECORDS` in one of the forms."""
    path = tmp_path / f"rows.{request.param}"
    path.write_bytes(encoder(request.param)(RECORDS))
    return path


@pytest.fixture
def packed(tmp_path):
    path = tmp_path / "rows.parquet"
    path.write_bytes(encoder("parquet")(RECORDS))
    return path


def test_rows_come_back_numbered(written):
    rows = [*read_rows(written)]
    assert [row.values for row in rows] == RECORDS
    assert [row.number for row in rows] == [*range(1, 3001)]


def test_kept_rows_are_copied_as_they_are(written, tmp_path):
    target = tmp_path / f"kept{written.suffix}"
    with copier(written, target) as copy:
        for row in read_rows(written):
            if row.number % 2:
                copy(row)
    assert [row.values for row in read_rows(target)] == RECORDS[::2]
    if written.suffix == ".jsonl":
        assert target.read_bytes().splitlines() == written.read_bytes().splitlines()[::2]


def test_a_copy_keeps_columns_and_types_that_json_lacks(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    source, target = tmp_path / "a.parquet", tmp_path / "b.parquet"
    day = datetime.datetime(2024, 2, 3, tzinfo=datetime.timezone.utc)
    table = pyarrow.table({"text": ["a", "b"], "at": [day, None], "small": pyarrow.array([1, 2], pyarrow.int8())})
    parquet.write_table(table, source)
    with copier(source, target) as copy:
        for row in read_rows(source):
            copy(row)
    assert parquet.read_table(target).equals(table)


def test_a_file_that_keeps_nothing_still_has_its_columns(packed, tmp_path):
    with copier(packed, tmp_path / "none.parquet"):
        pass
    assert parquet.read_schema(tmp_path / "none.parquet").names == ["text", "label", "deep", "list"]
    assert [*read_rows(tmp_path / "none.parquet")] == []


def test_what_is_null_is_not_stated(tmp_path):
    path = tmp_path / "rows.parquet"
    path.write_bytes(encoder("parquet")([{"text": "a", "role": "user"}, {"text": "b", "role": None}]))
    assert [row.values for row in read_rows(path)] == [{"text": "a", "role": "user"}, {"text": "b"}]


def test_shards_have_the_same_columns_whatever_they_lack(tmp_path):
    for name, prompt in (("a", None), ("b", "May I?")):
        sample = Sample("p", "text", 1, "", Provenance("x"), role="assistant", prompt=prompt)
        (tmp_path / f"{name}.parquet").write_bytes(encoder("parquet")([to_record(sample)]))
    assert parquet.read_schema(tmp_path / "a.parquet").equals(parquet.read_schema(tmp_path / "b.parquet"))
    assert [row.prompt for row in read_samples(sorted(tmp_path.iterdir()))] == [None, "May I?"]


def test_a_sample_survives_parquet(tmp_path):
    control = Control(behaviour="hiding income", language="de", augment="typing")
    sample = Sample("tax", "Ja?", 1, "so", Provenance("llm:x", round=2, flipped=True), control, 3, confidence=0.25)
    (tmp_path / "a.parquet").write_bytes(encoder("parquet")([to_record(sample)]))
    assert [*read_samples([tmp_path / "a.parquet"])] == [sample] == [from_record(to_record(sample))]


def test_a_lone_surrogate_becomes_its_escape(tmp_path):
    path = tmp_path / "rows.parquet"
    path.write_bytes(encoder("parquet")([{"text": "\ud800 x", "list": ["\udfff"], "deep": {"a": "\ud801"}}]))
    assert next(read_rows(path)).values == {"text": "\\ud800 x", "list": ["\\udfff"], "deep": {"a": "\\ud801"}}


@pytest.mark.parametrize("spoil", [lambda content: b"PAR1 no", lambda content: content[:-9], lambda content: b""])
def test_a_broken_parquet_file_is_named(packed, spoil):
    packed.write_bytes(spoil(packed.read_bytes()))
    with pytest.raises(DataError, match=r"rows\.parquet: cannot be read as Parquet .*write it again") as caught:
        [*read_rows(packed)]
    assert caught.value.file == packed


def test_a_changed_byte_is_found(packed):
    content = bytearray(packed.read_bytes())
    content[len(content) // 4] ^= 0xFF
    packed.write_bytes(content)
    with pytest.raises(DataError, match=r"rows\.parquet: cannot be read as Parquet"):
        [*read_rows(packed)]


def test_a_folder_or_a_missing_file_is_named(tmp_path):
    for path in (tmp_path / "none.parquet", tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            [*read_rows(path)]


def test_a_line_that_is_not_json_is_named(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps({"a": 1}).encode() + b"\n\n{"))
    rows = read_rows(path)
    assert next(rows).number == 1
    with pytest.raises(DataError, match=r"rows\.jsonl\.gz, line 3: not JSON"):
        next(rows)


def test_parquet_without_its_package_names_the_extra(packed, tmp_path, monkeypatch):
    for module in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, module, None)
    for call in (
        lambda: [*read_rows(packed)],
        lambda: encoder("parquet"),
        lambda: copier(packed, tmp_path).__enter__(),
    ):
        with pytest.raises(MissingExtra, match=r"Parquet needs .*'pyarrow'.*unigurd-sdk\[sdg\]"):
            call()


def test_another_form_is_refused():
    with pytest.raises(TrainerError, match="'jsonl' or 'parquet', not 'csv'"):
        encoder("csv")
