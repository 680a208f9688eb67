"""Data of one policy: what is read, and what is held out."""

import json

import pytest

from unigurd_trainer.errors import DataError
from unigurd_trainer.row_files import encoder
from unigurd_trainer.taskdata import read_task


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def row(number, **more):
    return {"text": f"text {number}", "label": "unsafe" if number % 2 else "safe"} | more


def test_a_file_of_text_and_label_is_enough(tmp_path):
    data = read_task(write(tmp_path / "my.jsonl", map(row, range(100))))
    assert len(data.train) + len(data.dev) == 100
    assert 8 <= len(data.dev) <= 35
    assert {(each.source, each.role) for each in data.train} == {("my", "user")}
    assert not {each.text for each in data.train} & {each.text for each in data.dev}


def test_rows_that_say_dev_measure_and_groups_stay_together(tmp_path):
    rows = [row(n, split="dev" if n < 10 else "train") for n in range(40)]
    assert {each.text for each in read_task(write(tmp_path / "a.jsonl", rows)).dev} == {f"text {n}" for n in range(10)}
    grouped = read_task(write(tmp_path / "b.jsonl", [row(n, group=str(n // 2)) for n in range(200)]))
    assert not {each.group for each in grouped.train} & {each.group for each in grouped.dev}


def test_shards_of_a_folder_are_read_in_order(tmp_path):
    write(tmp_path / "train-00000.jsonl", map(row, range(10)))
    write(tmp_path / "dev-00000.jsonl", map(row, range(10, 14)))
    data = read_task(tmp_path)
    assert (len(data.train), len(data.dev)) == (10, 4)
    assert data.fingerprint == read_task(tmp_path).fingerprint


def test_of_a_generated_set_only_its_parts_are_read(tmp_path):
    write(tmp_path / "train" / "shard-00000.jsonl", map(row, range(10)))
    write(tmp_path / "dev" / "shard-00000.jsonl", map(row, range(10, 14)))
    write(tmp_path / "review.jsonl", [{"left": {}, "right": {}}])
    data = read_task(tmp_path)
    assert (len(data.train), len(data.dev)) == (10, 4)


def test_parquet_shards_are_the_same_data(tmp_path):
    pytest.importorskip("pyarrow")
    for part, rows in (("train", [*map(row, range(10))]), ("dev", [*map(row, range(10, 14))])):
        write(tmp_path / "lines" / part / "shard-00000.jsonl", rows)
        (tmp_path / "table" / part).mkdir(parents=True)
        (tmp_path / "table" / part / "shard-00000.parquet").write_bytes(encoder("parquet")(rows))
    assert read_task(tmp_path / "table") == read_task(tmp_path / "lines")
    assert read_task(tmp_path / "table").fingerprint == read_task(tmp_path / "lines").fingerprint


def test_labels_may_be_words_or_numbers_and_a_text_counts_once(tmp_path):
    rows = [{"text": "a", "label": 1}, {"text": "b", "label": 0}, {"text": "a", "label": 1}]
    rows += [{"text": "c", "label": "safe", "split": "dev"}, {"text": "d", "label": "unsafe", "split": "dev"}]
    data = read_task(write(tmp_path / "a.jsonl", rows))
    assert [(each.text, each.label) for each in data.train] == [("a", 1), ("b", 0)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ('{"text": "x"}', "label"),
        ('{"text": "x", "label": "maybe"}', "maybe"),
        ('{"text": " ", "label": "safe"}', "empty"),
        ('{"text": "x", "label": "safe", "role": "system"}', "system"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, reason):
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(row(0)) + "\n" + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=reason) as error:
        read_task(path)
    assert (error.value.file, error.value.line) == (path, 2)


def test_one_label_or_no_rows_is_refused(tmp_path):
    with pytest.raises(DataError, match="one label"):
        read_task(write(tmp_path / "a.jsonl", [row(n * 2) for n in range(20)]))
    with pytest.raises(DataError, match="of 0 texts"):
        read_task(write(tmp_path / "b.jsonl", []))
    with pytest.raises(DataError, match="not there"):
        read_task(tmp_path / "nowhere.jsonl")


def test_of_few_rows_both_sides_get_both_labels(tmp_path):
    for seed in range(20):
        data = read_task(write(tmp_path / "few.jsonl", map(row, range(4))), seed=seed)
        assert {each.label for each in data.train} == {each.label for each in data.dev} == {0, 1}
