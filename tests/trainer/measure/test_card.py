"""A card says what was measured on exactly this checkpoint."""

from __future__ import annotations

import json

import pytest

from unigurd_sdk.checkpoint import Checkpoint
from unigurd_trainer.errors import DataError
from unigurd_trainer.measure.card import card, write_card


def write_results(folder, checkpoint_id):
    path = folder / "results.json"
    path.write_text(json.dumps({"checkpoint_id": checkpoint_id, "data_hash": "d" * 16, "sets": {}}))
    path.with_suffix(".md").write_text("| set | F1 |\n| --- | --- |\n| pool-dev/hate | 0.812 |\n")
    return path


def test_the_card_has_the_table_the_sources_and_the_numbers_of_the_manifest(graded_checkpoint):
    manifest = Checkpoint.open(graded_checkpoint).manifest
    filled = manifest.model_copy(
        update={"sources": ("toxigen: MIT",), "interim": True, "examples_seen": 123456, "trained_seconds": 5400.0}
    )
    text = card(filled, "| pool-dev/hate | 0.812 |", {"data_hash": "abc"})
    for part in ("# graded", "Interim checkpoint", "0.812", "toxigen: MIT", "123,456", "1.50 hours", "data abc"):
        assert part in text
    assert "Interim" not in card(manifest, "", {"data_hash": "abc"})


def test_the_card_is_written_beside_the_weights_and_changes_no_hash(graded_checkpoint, tmp_path):
    before = Checkpoint.open(graded_checkpoint).id
    path = write_card(graded_checkpoint, write_results(tmp_path, before))
    assert path == graded_checkpoint / "README.md"
    assert "| pool-dev/hate | 0.812 |" in path.read_text(encoding="utf-8")
    assert Checkpoint.open(graded_checkpoint).id == before


def test_results_of_another_checkpoint_are_refused(graded_checkpoint, tmp_path):
    with pytest.raises(DataError, match="evaluate it again"):
        write_card(graded_checkpoint, write_results(tmp_path, "somebody-else"))
    assert not (graded_checkpoint / "README.md").exists()


@pytest.mark.parametrize("content", [None, "not json"])
def test_unreadable_results_are_named(graded_checkpoint, tmp_path, content):
    path = tmp_path / "results.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=r"results\.json"):
        write_card(graded_checkpoint, path)
