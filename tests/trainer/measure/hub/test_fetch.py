"""A data set is downloaded once at a commit; what stands in the way is said with what to do about it."""

from __future__ import annotations

import logging
import socket

import pytest

from unigurd_sdk.errors import MissingExtra
from unigurd_trainer.errors import DataError
from unigurd_trainer.measure.hub.load import hub_sets

REPO = "SetFit/toxic_conversations_50k"
FIRST, SECOND = "1" * 40, "2" * 40
ROW = b'{"text": "t", "label": 1}\n'


def test_a_pinned_data_set_is_read_again_without_a_request(serve):
    hub = serve(REPO)
    first = hub_sets([f"{REPO}@{FIRST}"])
    hub.requests.clear()
    assert hub_sets([f"{REPO}@{FIRST}"]) == first
    assert hub.requests == []


def test_a_branch_is_resolved_to_a_commit_and_that_is_logged(serve, caplog):
    hub = serve(REPO)
    hub.commits[SECOND] = {"test.jsonl": ROW}
    hub.branches["main"] = SECOND
    with caplog.at_level(logging.WARNING, "unigurd_trainer"):
        (only,) = hub_sets([REPO])
    assert (only.provenance.revision, only.rows) == (SECOND, 1)
    assert f"{REPO}@{SECOND}" in caplog.text


def test_what_is_left_out_is_logged(serve, caplog):
    serve(REPO)
    with caplog.at_level(logging.WARNING, "unigurd_trainer"):
        hub_sets([f"{REPO}@{FIRST}"])
    assert "left out 1 rows without text" in caplog.text


@pytest.mark.parametrize("switch", ["UNIGURD_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_opens_no_connection_and_uses_the_cache(serve, monkeypatch, switch):
    serve(REPO)
    first = hub_sets([f"{REPO}@{FIRST}"])
    opened: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: opened.append(address))
    monkeypatch.setenv(switch, "1")
    assert hub_sets([f"{REPO}@{FIRST}"]) == first
    with pytest.raises(DataError, match="offline mode is on"):
        hub_sets([f"{REPO}@{SECOND}"])
    assert opened == []


def test_half_a_download_is_not_taken_for_the_whole(serve, tmp_path):
    name = f"leolee99/NotInject@{FIRST}"
    serve("leolee99/NotInject")
    whole = hub_sets([name])
    (part,) = tmp_path.glob("cache/*/snapshots/*/data/NotInject_two*")
    part.unlink()
    assert hub_sets([name]) == whole


@pytest.mark.parametrize("where", ["refusal", "file_refusal"])
def test_a_gated_data_set_says_where_to_ask(serve, where):
    setattr(serve(REPO), where, (403, "GatedRepo"))
    with pytest.raises(DataError, match=rf"gated: accept its conditions at http.*/datasets/{REPO}.*HF_TOKEN"):
        hub_sets([f"{REPO}@{FIRST}"])


@pytest.mark.parametrize(
    ("refusal", "words"),
    [((401, "RepoNotFound"), "there is no data set"), ((500, ""), "answered 500")],
)
def test_a_refusal_is_explained(serve, refusal, words):
    serve(REPO).refusal = refusal
    with pytest.raises(DataError, match=words):
        hub_sets([f"{REPO}@{FIRST}"])


def test_a_revision_that_is_not_there_is_named(serve):
    serve(REPO)
    with pytest.raises(DataError, match=f"no revision '{SECOND}'"):
        hub_sets([f"{REPO}@{SECOND}"])


def test_a_hub_that_cannot_be_reached_is_named(unreachable):
    with pytest.raises(DataError, match=r"could not be had from http://127\.0\.0\.1.*network"):
        hub_sets([f"{REPO}@{FIRST}"])


def test_a_revision_with_other_files_says_which(serve):
    serve(REPO, {"all.csv": b"x"})
    with pytest.raises(DataError, match=r"no file like test\.jsonl; it has all\.csv"):
        hub_sets([f"{REPO}@{FIRST}"])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("test.jsonl", ROW + b'{"text": "t", "label": 7}\n', r"line 2: the label '7' is neither"),
        ("test.jsonl", b'{"comment": "t", "label": 1}\n', r'expects text in .text.*\["comment", "label"\]'),
        ("test.jsonl", b"text,label\n", "line 1"),
        ("test.jsonl", b"[1]\n", "line 1: this row is not an object"),
        ("test.jsonl", b"", "no usable row"),
    ],
)
def test_files_that_are_not_as_expected(serve, name, content, words):
    serve(REPO, {name: content})
    with pytest.raises(DataError, match=words):
        hub_sets([f"{REPO}@{FIRST}"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"prompt,label\na\n", "line 2.*2 columns"),
        (b"prompt,label\na,safe,x\n", "line 2.*2 columns"),
        (b'prompt,label\n"a,safe\n', "not CSV"),
        (b"prompt,label\ncaf\xe9,safe\n", "not CSV in UTF-8"),
        (b'{"prompt": "a"}\n', "no usable row"),
    ],
)
def test_csv_that_is_none(serve, content, words):
    serve("Paul/XSTest", {"x.csv": content})
    with pytest.raises(DataError, match=words):
        hub_sets([f"Paul/XSTest@{FIRST}"])


@pytest.mark.parametrize("content", [b"{}", b"{", b"\xff"])
def test_json_that_is_no_list_of_rows(serve, content):
    name = "nvidia/Aegis-AI-Content-Safety-Dataset-2.0"
    serve(name, {"test.json": content})
    with pytest.raises(DataError, match=r"test\.json"):
        hub_sets([f"{name}@{FIRST}"])


def test_parquet_without_its_package_says_what_to_install(serve, monkeypatch):
    serve("walledai/HarmBench")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match="pyarrow"):
        hub_sets([f"walledai/HarmBench@{FIRST}"])
