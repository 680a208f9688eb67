"""Readers turn the data folder into typed rows and name the file and line of a bad one."""

from __future__ import annotations

import gzip
import json

import pytest

from unigurd_trainer import readers
from unigurd_trainer.errors import DataError, LeakageError
from unigurd_trainer.rows import CellKey, Document

POOL = {
    "text": "hi", "label": "safe", "policy": "toxicity", "category": "", "source": "wiki", "lang": "en",
    "split": "train",
}  # fmt: skip
INTENT = {
    "text": "lights on",
    "intent": "on",
    "domain": "home",
    "source": "hwu64",
    "split": "train",
    "lang": "en",
}
SDG = {
    "policy": "tax", "text": "t", "label": "unsafe", "kind": "direct", "rationale": "r", "group": "tax/1",
    "split": "train", "policy_split": "seen",
}  # fmt: skip
DEV = {
    "text": "t", "label": "unsafe", "policy": "safety", "category": "", "source": "bench", "lang": "en",
    "prompt": None, "response": None, "license": "CC-BY-NC-4.0",
}  # fmt: skip
BEHAVIOUR = {
    "source": "hwu64", "domain": "home", "intent": "on", "behaviours": ["a", "b", "c", "d"],
    "groups": ["lights-on"],
    "topic": "smart-home", "usable": True, "why": "", "negative_ok": False,
}  # fmt: skip


@pytest.fixture
def put(tmp_path):
    def write(name, *rows):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
        opened = gzip.open(path, "wt") if name.endswith(".gz") else path.open("w")
        with opened as out:
            out.write(text)
        return tmp_path

    return write


def test_pool_reads_one_split_with_source_and_licence(put):
    data = put("pool/a.jsonl.gz", POOL, {**POOL, "split": "dev"}, {**POOL, "label": "unsafe"})
    rows = readers.read_pool(data, "train")
    assert [row.label for row in rows] == [0, 1]
    assert (rows[0].source, rows[0].licence) == ("wiki", "licence not confirmed")


def test_a_row_that_states_its_licence_keeps_it(put):
    data = put("pool/a.jsonl", {**POOL, "license": "CC0-1.0"})
    assert readers.read_pool(data, "train")[0].licence == "CC0-1.0"


def test_unlabelled_chat_has_no_label(put):
    data = put("pool/chat.jsonl", {**POOL, "label": "", "policy": ""})
    assert readers.read_pool(data, "train")[0].label is None


def test_an_empty_label_under_a_policy_is_an_error(put):
    data = put("pool/a.jsonl", {**POOL, "label": ""})
    with pytest.raises(DataError, match="neither 'safe' nor 'unsafe'"):
        readers.read_pool(data, "train")


def test_the_pool_has_no_test_split(put):
    data = put("pool/a.jsonl", POOL)
    with pytest.raises(LeakageError):
        readers.read_pool(data, "test")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ({**POOL, "label": "bad"}, "'bad'"),
        ({**POOL, "label": 1}, "neither"),
        ({**POOL, "text": "  "}, "'text'"),
        ({**POOL, "text": 3}, "'text'"),
        ({key: value for key, value in POOL.items() if key != "source"}, "'source'"),
    ],
)
def test_a_bad_line_names_its_file_and_line(put, line, reason):
    data = put("pool/a.jsonl.gz", POOL, "", line)
    with pytest.raises(DataError, match=reason) as caught:
        readers.read_pool(data, "train")
    assert caught.value.file == data / "pool" / "a.jsonl.gz"
    assert caught.value.line == 3
    assert "a.jsonl.gz, line 3" in str(caught.value)


def test_a_truncated_archive_is_a_data_error(put):
    data = put("pool/a.jsonl.gz", *[{**POOL, "text": f"text {number}"} for number in range(200)])
    file = data / "pool" / "a.jsonl.gz"
    file.write_bytes(file.read_bytes()[:-60])
    with pytest.raises(DataError, match="damaged"):
        readers.read_pool(data, "train")


def test_bytes_that_are_not_utf8_are_a_data_error(put):
    data = put("pool/a.jsonl", POOL)
    latin = json.dumps(POOL).encode() + b"\n"
    (data / "pool" / "b.jsonl").write_bytes(latin * 500 + b'{"text": "caf\xe9"}\n' + latin)
    with pytest.raises(DataError, match=r"not UTF-8 \(byte 0xe9 in column 14\)") as caught:
        readers.read_pool(data, "train")
    assert (caught.value.file, caught.value.line) == (data / "pool" / "b.jsonl", 501)


def test_a_byte_order_mark_is_not_text(put):
    data = put("pool/a.jsonl", POOL)
    (data / "pool" / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(POOL).encode())
    assert len(readers.read_pool(data, POOL["split"])) == 1


def test_a_missing_folder_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        readers.read_pool(tmp_path, "train")


def test_a_folder_without_data_is_a_data_error(put):
    data = put("pool/readme.txt", "nothing")
    with pytest.raises(DataError, match="no .jsonl"):
        readers.read_pool(data, "train")


def test_intents_keep_official_test_splits_apart(put):
    data = put("intents/a.jsonl", INTENT, {**INTENT, "split": "test"})
    assert [row.split for row in readers.read_intents(data)] == ["train", "test"]
    assert readers.read_intents(data)[0].key == CellKey("hwu64", "home", "on")


def test_issuebench_sub_domains_are_one_domain(put):
    data = put("intents/a.jsonl", {**INTENT, "source": "issuebench", "domain": "politics/pro"})
    assert readers.read_intents(data)[0].key == CellKey("issuebench", "politics", "on")


def test_behaviours_carry_their_flags(put):
    data = put("gip/behaviours.jsonl", BEHAVIOUR)
    (cell,) = readers.read_behaviours(data)
    assert cell.key == CellKey("hwu64", "home", "on")
    assert cell.groups == {"lights-on"}
    assert cell.usable
    assert not cell.negative_ok


def test_a_behaviour_with_three_phrasings_is_an_error(put):
    data = put("gip/behaviours.jsonl", {**BEHAVIOUR, "behaviours": ["a", "b", "c"]})
    with pytest.raises(DataError, match="two or four"):
        readers.read_behaviours(data)


def test_conditioned_rows_are_unique_by_policy_and_text(put):
    data = put("sdg/a.jsonl", SDG, SDG, {**SDG, "policy": "vat", "label": "safe"})
    assert [(row.policy, row.label) for row in readers.read_conditioned(data)] == [("tax", 1), ("vat", 0)]


def test_a_rationale_is_read_where_there_is_one(put):
    rows = [{**SDG, "text": text, "rationale": why} for text, why in (("a", "r"), ("b", None), ("c", ""))]
    data = put("sdg/a.jsonl", *rows, {key: value for key, value in SDG.items() if key != "rationale"})
    assert [row.rationale for row in readers.read_conditioned(data)] == ["r", None, None, None]


def test_groups_of_two_files_do_not_run_together(put):
    put("sdg/a.jsonl", SDG)
    data = put("sdg/b.jsonl", {**SDG, "text": "u", "role": "assistant", "prompt": "q"})
    first, second = readers.read_conditioned(data)
    assert first.group != second.group
    assert (second.role, second.prompt) == ("assistant", "q")


def test_texts_about_documents_have_the_role_document(put):
    data = put("sdg/a.jsonl", {**SDG, "policy": "indirect-injection"})
    assert readers.read_conditioned(data)[0].role == "document"


def test_policies_are_read_by_name(put):
    data = put("policies/a.jsonl", {"name": "tax", "description": "d", "allowed": ["x"]})
    assert readers.read_policies(data)["tax"].allowed == ("x",)


def test_a_policy_with_an_unknown_field_names_its_line(put):
    data = put("policies/a.jsonl", {"name": "tax", "description": "d", "colour": "red"})
    with pytest.raises(DataError, match=r"line 1.*not a policy"):
        readers.read_policies(data)


def test_one_name_for_two_policies_is_an_error(put):
    data = put("policies/a.jsonl", {"name": "tax", "description": "d"}, {"name": "tax", "description": "e"})
    with pytest.raises(DataError, match="already defined"):
        readers.read_policies(data)


def test_dev_rows_carry_their_licence(put):
    data = put("dev/a.jsonl", DEV)
    (row,) = readers.read_dev(data)
    assert row.licence == "CC-BY-NC-4.0"


def test_skeletons_with_an_unknown_join_are_an_error(put):
    row = {
        "id": "x", "kind": "ban", "voice": "v", "text": "{disallowed}", "join": {"disallowed": "zigzag"},
        "forms": ["noun"], "min_items": 1, "max_items": 2, "unlisted": "allowed",
    }  # fmt: skip
    data = put("gip/skeletons.json", json.dumps({"skeletons": [row]}))
    with pytest.raises(DataError, match="zigzag"):
        readers.read_skeletons(data)
    row["join"] = {"disallowed": "or"}
    data = put("gip/skeletons.json", json.dumps({"skeletons": [row]}))
    assert readers.read_skeletons(data)[0].render(disallowed=["a", "b"]) == "a or b"


def test_documents_are_read_with_their_licence_and_may_be_absent(tiny_data, tmp_path):
    assert readers.read_documents(tiny_data) == ()
    folder = tmp_path / "documents"
    folder.mkdir()
    rows = [{"text": "A long manual.", "source": "django_docs", "licence": "BSD-3-Clause"}, {"text": "x"}]
    (folder / "a.jsonl").write_text(json.dumps(rows[0]))
    assert readers.read_documents(tmp_path) == (Document("A long manual.", "django_docs", "BSD-3-Clause"),)
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match="a.jsonl, line 2: the field 'source'"):
        readers.read_documents(tmp_path)
