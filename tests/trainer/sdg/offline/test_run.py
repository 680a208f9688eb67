"""The stage: a finished data set, gone on with after an interruption, never mixed with another run's."""

from __future__ import annotations

import json
import sys

import pytest

from unigurd_sdk.errors import MissingExtra
from unigurd_sdk.policy import Policy
from unigurd_trainer.errors import DataError, RecipeError, TrainerError
from unigurd_trainer.sdg.offline import OfflineOptions
from unigurd_trainer.sdg.run import SdgSettings, run
from unigurd_trainer.sdg.samples import Provenance, Sample, read_samples
from unigurd_trainer.sdg.shards import read_index, shard_paths

pytest.importorskip("rensa")
pytest.importorskip("sklearn")

NUMBERS = "one two three four five six seven eight nine ten eleven twelve".split()


class Counting:
    """A generator of distinct texts that is interrupted once, after `stop` samples."""

    name = "counting"

    def __init__(self, stop=None, texts=None):
        self._stop, self._texts = stop, texts
        self.orders = 0

    def generate(self, request):
        """Yield the samples of an order."""
        self.orders += 1
        texts = self._texts or [f"{left} {right} {left}" for left in NUMBERS for right in NUMBERS]
        for at, text in enumerate(texts[: request.count]):
            if at == self._stop:
                self._stop = None
                raise KeyboardInterrupt
            yield Sample(request.policy.name, text, at % 2, "", Provenance("counting", source="toy", licence="MIT"))


class Silent(Counting):
    """A generator that yields nothing."""

    def generate(self, request):
        """Yield nothing."""
        return iter(())


@pytest.fixture
def policy():
    return Policy(name="shop", description="A shop.", allowed=["Plant care"], disallowed=["Mixing pesticides"])


def everything(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_data_set_with_card_report_and_result(policy, tmp_path):
    steps = []
    settings = SdgSettings(count=60, dev_share=0.2)
    result = run(policy, Counting(), settings, tmp_path / "data", observe=lambda step, count: steps.append(step))
    assert everything(tmp_path / "data") == {
        "card.md", "dev/index.json", "dev/shard-00000.jsonl", "policy.yaml", "report.html", "review.jsonl", "run.json",
        "settings.json", "train/index.json", "train/shard-00000.jsonl",
    }  # fmt: skip
    assert Policy.from_file(tmp_path / "data" / "policy.yaml") == policy
    rows = {name: [*read_samples(shard_paths(tmp_path / "data" / name))] for name in ("train", "dev")}
    assert {name: len(found) for name, found in rows.items()} == {"train": 48, "dev": 12}
    assert result["rows"] == {"train": {"safe": 24, "unsafe": 24}, "dev": {"safe": 6, "unsafe": 6}}
    assert result["policy_fingerprint"] == policy.fingerprint and result["seconds"] >= 0
    assert result == json.loads((tmp_path / "data" / "run.json").read_text())
    assert [*dict.fromkeys(steps)] == ["generating", "de-duplicating", "reporting"]


def test_duplicates_go_and_near_equal_texts_of_both_labels_are_for_review(policy, tmp_path, words):
    texts = ["prune the roses", "Mix a spray", "mow every lawn", "mix  a SPRAY", "buy fresh soil", "plant tall trees"]
    kept = run(policy, Counting(texts=texts), SdgSettings(count=6, dev_share=0), tmp_path / "kept", embedder=words)
    assert kept["duplicates"]["rows"] == 6 and kept["duplicates"]["kept"] == 5
    raw = SdgSettings(count=6, dev_share=0, deduplicate=False)
    assert run(policy, Counting(texts=texts), raw, tmp_path / "raw")["rows"]["train"] == {"safe": 3, "unsafe": 3}


def test_a_finished_run_is_not_done_again(policy, tmp_path):
    generator, settings = Counting(), SdgSettings(count=20)
    first = run(policy, generator, settings, tmp_path)
    assert run(policy, generator, settings, tmp_path) == first
    assert generator.orders == 1


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_an_interrupted_run_goes_on_to_the_same_rows(policy, tmp_path, form):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    generator, settings = Counting(stop=15), SdgSettings(count=40, form=form)
    with pytest.raises(KeyboardInterrupt):
        run(policy, generator, settings, tmp_path / "parts")
    assert not (tmp_path / "parts" / "run.json").exists()
    run(policy, generator, settings, tmp_path / "parts")
    run(policy, Counting(), settings, tmp_path / "whole")
    for name in ("train", "dev"):
        assert read_index(tmp_path / "parts" / name) == read_index(tmp_path / "whole" / name)


def test_parquet_shards_hold_the_same_samples(policy, tmp_path):
    pytest.importorskip("pyarrow")
    for form in ("jsonl", "parquet"):
        run(policy, Counting(), SdgSettings(count=40, form=form), tmp_path / form)
    paths = [
        (*shard_paths(tmp_path / form / "train"), *shard_paths(tmp_path / form / "dev"))
        for form in ("jsonl", "parquet")
    ]
    assert [*read_samples(paths[0])] == [*read_samples(paths[1])]
    assert {path.suffix for path in paths[1]} == {".parquet"}
    assert (tmp_path / "jsonl/card.md").read_text() == (tmp_path / "parquet/card.md").read_text()


def test_another_form_in_the_same_folder_leaves_no_shard_of_the_first(policy, tmp_path):
    pytest.importorskip("pyarrow")
    for form in ("jsonl", "parquet"):
        result = run(policy, Counting(), SdgSettings(count=40, form=form), tmp_path)
    assert not [*tmp_path.glob("*/*.jsonl")] and result["report"]["safe"] + result["report"]["unsafe"] == 40


def test_parquet_without_its_package_is_said_before_anything_is_made(policy, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    generator = Counting()
    with pytest.raises(MissingExtra, match="pyarrow"):
        run(policy, generator, SdgSettings(count=40, form="parquet"), tmp_path / "out")
    assert generator.orders == 0 and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [({"seed": 1}, "seed"), ({"policy": True}, "policy"), ({"generator": True}, "generator")],
)
def test_the_folder_of_another_run_is_refused(policy, tmp_path, change, named):
    run(policy, Counting(), SdgSettings(count=20), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    other = policy.model_copy(update={"disallowed": ("Selling knives",)}) if change.pop("policy", False) else policy
    generator = Counting()
    if change.pop("generator", False):
        generator.name = "other"
    with pytest.raises(RecipeError, match=f"another {named}.*choose another folder"):
        run(other, generator, SdgSettings(**({"count": 20} | change)), tmp_path)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_larger_count_in_the_same_folder_asks_anew(policy, tmp_path):
    generator = Counting()
    run(policy, generator, SdgSettings(count=20), tmp_path)
    result = run(policy, generator, SdgSettings(count=40, dev_share=0), tmp_path)
    assert result["rows"] == {"train": {"safe": 20, "unsafe": 20}, "dev": {"safe": 0, "unsafe": 0}}
    assert generator.orders == 2 and shard_paths(tmp_path / "dev") == ()


def test_a_policy_that_contradicts_itself_makes_no_data(tmp_path):
    policy = Policy(name="odd", description="Odd.", allowed=["Mixing sprays."], disallowed=["Mixing sprays"])
    generator = Counting()
    with pytest.raises(RecipeError, match=r"contradicts itself.*\[contradiction\]"):
        run(policy, generator, SdgSettings(count=20), tmp_path)
    assert generator.orders == 0


def test_a_generator_that_makes_nothing_is_an_error(policy, tmp_path):
    with pytest.raises(DataError, match="'counting' made no sample"):
        run(policy, Silent(), SdgSettings(count=2), tmp_path)


def test_a_damaged_result_is_named(policy, tmp_path):
    run(policy, Counting(), SdgSettings(count=20), tmp_path)
    (tmp_path / "run.json").write_text("[")
    with pytest.raises(DataError, match=r"run\.json"):
        run(policy, Counting(), SdgSettings(count=20), tmp_path)


def test_a_folder_that_cannot_be_written_is_a_clear_error(policy, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainerError, match="cannot be made"):
        run(policy, Counting(), SdgSettings(count=20), tmp_path / "file" / "data")


def test_the_account_of_the_offline_generator_is_part_of_the_result(make_offline, workshop, words, tmp_path):
    settings = SdgSettings(count=40)
    result = run(workshop, make_offline(), settings, tmp_path, options=OfflineOptions(agreement=0.5), embedder=words)
    assert [row["covered"] for row in result["statistics"]["coverage"]] == [True, True, True, False]
    assert any("quantum" in warning for warning in result["warnings"])
    assert any("silver" in warning for warning in result["warnings"])
