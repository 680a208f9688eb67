"""Foreign predictions: one format, read strictly and written so that an interruption costs one line."""

from __future__ import annotations

import gzip
import hashlib
import json

import pytest

from unigurd_sdk.policy import Policy
from unigurd_trainer.errors import DataError
from unigurd_trainer.measure.predictions import Header, Prediction, PredictionWriter, read_predictions, row_id

HEADER = {"predictions": 1, "model": "acme", "version": "2"}
TAX = Policy(name="tax", description="No tax.")


def write(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def test_an_id_depends_on_all_that_is_judged_and_on_no_name():
    plain = hashlib.sha256(f'["{TAX.fingerprint}", "user", null, "h\\u00e9"]'.encode()).hexdigest()[:16]
    assert row_id(TAX, "user", None, "hé") == plain
    assert row_id(Policy(name="vat", title="VAT", description="No tax."), "user", None, "hé") == plain
    others = {
        row_id(Policy(name="tax", description="No taxes."), "user", None, "hé"),
        row_id(TAX, "document", None, "hé"),
        row_id(TAX, "user", "hé", "hé"),
        row_id(TAX, "user", None, "\ud83d"),
    }
    assert len(others | {plain}) == 5


def test_a_file_and_a_folder_are_read_alike(tmp_path):
    rows = [{"id": "a", "score": 0.5, "flagged": False}, {"id": "b", "invalid": True, "note": "?"}]
    one = read_predictions(write(tmp_path / "one.jsonl", HEADER, *rows))
    write(tmp_path / "two" / "b.jsonl.gz", HEADER, rows[0])
    write(tmp_path / "two" / "a.jsonl", HEADER, "", rows[1])
    two = read_predictions(tmp_path / "two")
    assert (two.header, dict(two.rows), two.fingerprint) == (one.header, dict(one.rows), one.fingerprint)
    assert one.header.model == "acme" and one.scored
    assert one.rows["a"] == Prediction(id="a", score=0.5, flagged=False)


def test_a_byte_order_mark_is_not_a_header(tmp_path):
    path = write(tmp_path / "p.jsonl", HEADER, {"id": "a", "score": 1})
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_predictions(path).rows["a"].score == 1.0


def test_verdicts_without_scores_are_predictions(tmp_path):
    path = write(tmp_path / "p.jsonl", HEADER, {"id": "a", "invalid": True}, {"id": "b", "flagged": True})
    assert not read_predictions(path).scored


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        (["id,score", "a,0.5"], 1, "not the header"),
        ([{"id": "a", "score": 0.5}], 1, "not the header"),
        ([HEADER | {"predictions": 2}], 1, "predictions"),
        ([HEADER | {"temperature": 0}], 1, "temperature"),
        ([HEADER, {"id": "a"}], 2, "a score or flagged"),
        ([HEADER, {"score": 0.5}], 2, "id"),
        ([HEADER, {"id": "a", "score": 0.5}, '{"id": "b", "score": NaN}'], 3, "score"),
        ([HEADER, {"id": "a", "score": 1.5}], 2, "score"),
        ([HEADER, {"id": "a", "label": "safe"}], 2, "label"),
        ([HEADER, {"id": "a", "score": 0.5, "latency_ms": -1}], 2, "latency_ms"),
        ([HEADER, {"id": "a", "score": 0.5}, {"id": "b", "flagged": True}], 3, "all or none"),
        ([HEADER, {"id": "a", "score": 0.5}, "", {"id": "a", "score": 0.5}], 4, "already"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, lines, line, words):
    path = write(tmp_path / "p.jsonl", *lines)
    with pytest.raises(DataError, match=words) as caught:
        read_predictions(path)
    assert (caught.value.file, caught.value.line) == (path, line)


def test_two_models_in_a_folder_are_refused(tmp_path):
    write(tmp_path / "a.jsonl", HEADER, {"id": "a", "score": 0.5})
    write(tmp_path / "b.jsonl", HEADER | {"version": "3"}, {"id": "b", "score": 0.5})
    with pytest.raises(DataError, match="keep models apart"):
        read_predictions(tmp_path)


@pytest.mark.parametrize("name", ["missing.jsonl", "p.csv", "empty.jsonl", "folder", "header.jsonl"])
def test_nothing_to_read_is_an_error(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "p.csv").write_text("id,score\n")
    (tmp_path / "empty.jsonl").write_text("")
    write(tmp_path / "header.jsonl", HEADER)
    with pytest.raises(DataError, match=name):
        read_predictions(tmp_path / name)


def test_a_writer_continues_where_it_was_cut(tmp_path):
    path, header = tmp_path / "new" / "p.jsonl", Header(model="acme", settings={"temperature": 0})
    with PredictionWriter(path, header) as writer:
        writer.write(Prediction(id="a", score=0.25))
        writer.write(Prediction(id="b", score=0.75, latency_ms=12.5))
        assert len(path.read_bytes().splitlines()) == 3  # before it is closed
    path.write_bytes(path.read_bytes()[:-5])
    with PredictionWriter(path, header) as writer:
        assert "a" in writer and "b" not in writer and len(writer) == 1
        writer.write(Prediction(id="b", score=0.5))
        with pytest.raises(DataError, match="already"):
            writer.write(Prediction(id="a", score=0.5))
    assert {row.id: row.score for row in read_predictions(path).rows.values()} == {"a": 0.25, "b": 0.5}


def test_a_file_that_was_cut_in_its_header_starts_again(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text(Header(model="acme").model_dump_json()[:30])
    with PredictionWriter(path, Header(model="acme")) as writer:
        writer.write(Prediction(id="a", flagged=True))
    assert read_predictions(path).header == Header(model="acme")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("other.jsonl", json.dumps(HEADER) + "\n"),
        ("cut.jsonl", json.dumps(HEADER) + '\n{"id": "a", "sc'),
        ("rows.jsonl", '{"text": "t"}\n'),
        ("line.jsonl", '{"text": "no line end"}'),
        ("p.csv", "a\n"),
    ],
)
def test_a_writer_leaves_other_files_as_they_are(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DataError):
        PredictionWriter(path, Header(model="acme", version="3"))
    assert path.read_text() == text
