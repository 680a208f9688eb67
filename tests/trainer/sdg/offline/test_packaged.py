"""The packaged material: licensed row by row, free of what measures, small; and how it is made."""

from __future__ import annotations

import gzip
import importlib.util
import json
from importlib.resources import files
from pathlib import Path

import pytest

from unigurd_trainer.errors import DataError
from unigurd_trainer.licences import Source, sources
from unigurd_trainer.sdg.packaged import Material, bundled

FOLDER = Path(str(files("unigurd_trainer.sdg"))) / "material"
SCRIPT = Path(__file__).resolve().parents[4] / "trainer" / "runs" / "material.py"
LARGEST = 6_000_000


def texts(folder):
    for path in sorted(folder.rglob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines)


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("material_script", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(script, tiny_data, tmp_path_factory):
    """Material of the small data folder, whose public sources count as licensed."""
    from unigurd_trainer.corpus import Corpus

    out = tmp_path_factory.mktemp("made")
    script.PACKAGED = {**script.PACKAGED, "toy": Source("Toy", "nobody", "", "MIT")}
    script.write(Corpus.read(tiny_data), out)
    return out


def test_every_row_has_a_source_and_a_licence_that_the_notice_names():
    notice = (FOLDER / "NOTICE.md").read_text(encoding="utf-8")
    seen = {(row["source"], row["licence"]) for row in texts(FOLDER)}
    assert len(seen) > 20
    assert all(f"| {source} |" in notice and f"| {licence} |" in notice for source, licence in seen)


def test_every_packaged_source_is_licensed_attributed_and_found():
    notice = (FOLDER / "NOTICE.md").read_text(encoding="utf-8")
    texts_of = {path.stem for path in (FOLDER.parent / "licence_texts").iterdir()}
    for name in {row["source"] for row in texts(FOLDER)} - {"sdg"}:
        source = sources()[name]
        assert source.licence in texts_of or source.licence.startswith("CC"), name
        assert source.by in notice and (name.startswith("sdg/") or f"({source.url})" in notice), name


def test_it_is_small_and_holds_no_row_that_measures():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.*")) < LARGEST
    for row in texts(FOLDER):
        assert row["split"] == "train" and row.get("policy_split", "seen") == "seen"


def test_it_reads_and_knows_its_version():
    material = bundled()
    assert len(material.version) == 16 and material is bundled()
    assert len(material.intents) > 10_000 and len(material.conditioned) > 10_000
    assert {row.policy for row in material.conditioned} <= set(material.policies)


def test_policies_can_be_taken_out(material):
    assert {row.policy for row in material.conditioned} == {"notary"}
    without = material.without({"notary"})
    assert (without.policies, without.conditioned, without.intents) == ({}, (), material.intents)


def test_what_the_holdout_keeps_does_not_ship(made, tiny_data):
    from unigurd_trainer.corpus import Corpus

    holdout = Corpus.read(tiny_data).holdout
    material = Material.read(made)
    assert "vat" in holdout.policies and "vat" not in material.policies
    assert material.conditioned and {row.policy for row in material.conditioned} == {"tax"}
    assert {cell.key for cell in material.behaviours} == holdout.train_cells
    assert material.intents and all(holdout.trains_intent(row) for row in material.intents)
    assert material.pool and all(holdout.trains_text(row.text) for row in material.pool)


def test_the_same_data_give_the_same_material(script, made, tiny_data, tmp_path):
    from unigurd_trainer.corpus import Corpus

    script.write(Corpus.read(tiny_data), tmp_path)
    assert Material.read(made).version == Material.read(tmp_path).version


def test_a_source_without_a_named_licence_does_not_ship(script, tiny_data, tmp_path, monkeypatch):
    from unigurd_trainer.corpus import Corpus

    monkeypatch.setattr(script, "PACKAGED", {"clinc150": sources()["clinc150"]})
    script.write(Corpus.read(tiny_data), tmp_path)
    assert Material.read(tmp_path).pool == ()


def test_a_folder_that_is_none_is_named(tmp_path):
    with pytest.raises(DataError, match=str(tmp_path)):
        Material.read(tmp_path)
