"""Matching: the nearest texts are found, and the vectors of the material are kept between runs."""

from __future__ import annotations

import logging

import numpy as np

from unigurd_trainer.sdg.matching import Matcher, cache_folder
from unigurd_trainer.sdg.shelves import chat_of, shelves_of


def test_texts_of_the_right_shelf_are_nearest(material, words):
    shelves = shelves_of(material)
    matches = Matcher(shelves, words).match(["Asking to repair an oven"], depth=40)
    best = matches.texts[int(matches.near[:, 0].argmax())]
    assert "repair an oven" in best.text
    assert shelves[int(matches.shelf_near[:, 0].argmax())].name == "toy/kitchen/oven"
    assert matches.nearest == ("asking to repair an oven",)
    assert matches.near.shape == (len(matches.texts), 1)


def test_shared_rare_words_find_texts_of_far_shelves(material, words):
    matches = Matcher(shelves_of(material), words).match(["What a testament is"], depth=8)
    assert "what does testament mean" in {text.text for text in matches.texts}


def test_written_rows_keep_group_and_licence_and_chat_has_no_shelf(material):
    by_name = {shelf.name: shelf for shelf in shelves_of(material)}
    assert {text.group for text in by_name["notary/unsafe"].texts} == {"notary:0", "notary:1"}
    assert by_name["notary/safe"].lines == ("No legal work.",)
    assert {text.licence for text in chat_of(material)} == {"CC0-1.0"}


def test_vectors_are_kept_and_a_damaged_file_is_made_again(material, words, tmp_path):
    shelves = shelves_of(material)
    Matcher(shelves, words, tmp_path)
    (path,) = tmp_path.glob("lines-*.npy")
    words.calls = 0
    Matcher(shelves, words, tmp_path)
    assert words.calls == 1  # the probe that tells embedders apart
    path.write_bytes(b"damaged")
    again = Matcher(shelves, words, tmp_path).match(["Asking to mow a lawn"], depth=20)
    assert np.isfinite(again.near).all()
    assert path.read_bytes() != b"damaged"


def test_a_folder_that_cannot_be_written_is_only_a_warning(material, words, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        Matcher(shelves_of(material), words, tmp_path / "file")
    assert "not cached" in caplog.text


def test_the_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "unigurd"
