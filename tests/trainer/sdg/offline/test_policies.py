"""Policies at scale: no two alike, the same whether or not the run was interrupted."""

from __future__ import annotations

import errno
import json
import os

import pytest

from unigurd_sdk.policy import Policy
from unigurd_trainer.errors import RecipeError, TrainerError
from unigurd_trainer.rows import Episode, Example
from unigurd_trainer.sdg.packaged import Material
from unigurd_trainer.sdg.policies import ComposedSource, Novelty, write_policies
from unigurd_trainer.sdg.samples import Provenance, Sample, read_samples
from unigurd_trainer.sdg.shards import shard_paths

LONG = "The assistant of a garden shop answers questions about plants and their care but never about any pesticide"


def policy(description, **lists):
    return Policy(name="p", description=description, **lists)


class Numbered:
    """A source with `distinct` policies, proposed again and again; stops like Ctrl-C at `stop`."""

    def __init__(self, distinct, stop=None):
        self._distinct, self._stop = distinct, stop

    def episode(self, index):
        if index == self._stop:
            raise KeyboardInterrupt
        number = index % self._distinct
        words = " ".join(f"w{number}x{at}" for at in range(12))
        made = Policy(name=f"p{index}", description=words, disallowed=[f"Line {number}"])
        examples = (
            Example(f"a {number}", 1, "toy", "MIT", matched=0),
            Example(f"b {number}", 0, "toy", "MIT", matched=-1),
        )
        return Episode(made, examples, "composed")


def descriptions(folder):
    lines = [line for path in shard_paths(folder) for line in path.read_text(encoding="utf-8").splitlines()]
    return [json.loads(line)["description"] for line in lines]


def test_equal_and_nearly_equal_policies_are_not_new():
    novelty = Novelty()
    assert novelty.take(policy(LONG))
    assert not novelty.take(policy(f"  {LONG.upper()}"))
    assert not novelty.take(policy(f"{LONG} today"))
    assert novelty.take(policy("Only speaks about trains, timetables and the price of a ticket"))


def test_policies_that_differ_in_their_lists_are_new():
    novelty = Novelty()
    assert novelty.take(policy("Only the listed.", disallowed=["Asking how to prune a rose in the rain"]))
    assert novelty.take(policy("Only the listed.", disallowed=["Wanting a loan for a car without a job"]))


def test_repeated_proposals_are_left_out(tmp_path):
    result = write_policies(Numbered(30), 20, tmp_path)
    assert (result["policies"], result["samples"]) == (20, 40)
    assert len(set(descriptions(tmp_path / "policies"))) == 20


def test_an_exhausted_source_is_an_error_that_keeps_what_there_is(tmp_path):
    with pytest.raises(RecipeError, match="no new policy"):
        write_policies(Numbered(5), 20, tmp_path)
    assert len(descriptions(tmp_path / "policies")) == 5


def test_an_interrupted_run_goes_on_to_the_same_end(tmp_path):
    write_policies(Numbered(100), 50, tmp_path / "whole", rows_per_shard=7)
    with pytest.raises(KeyboardInterrupt):
        write_policies(Numbered(100, stop=23), 50, tmp_path / "parts", rows_per_shard=7)
    assert len(descriptions(tmp_path / "parts" / "policies")) == 23
    write_policies(Numbered(100), 50, tmp_path / "parts", rows_per_shard=7)
    for part in ("policies", "samples"):
        whole, parts = (
            [line for path in shard_paths(tmp_path / run / part) for line in path.read_text().splitlines()]
            for run in ("whole", "parts")
        )
        assert whole == parts


def test_samples_name_their_line(tmp_path):
    write_policies(Numbered(5), 1, tmp_path)
    unsafe, safe = read_samples(shard_paths(tmp_path / "samples"))
    assert (unsafe.label, unsafe.control.behaviour, unsafe.control.listed) == (1, "Line 0", "disallowed")
    assert (safe.label, safe.control.behaviour, safe.control.listed) == (0, "", "none")
    assert "Line 0" in unsafe.rationale and unsafe.provenance.licence == "MIT"


def test_a_full_disk_keeps_complete_shards(tmp_path, monkeypatch):
    written: list[int] = []

    def fail(descriptor):
        written.append(descriptor)
        if len(written) > 6:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(TrainerError):
        write_policies(Numbered(100), 50, tmp_path, rows_per_shard=8)
    monkeypatch.undo()
    write_policies(Numbered(100), 50, tmp_path, rows_per_shard=8)
    assert len(descriptions(tmp_path / "policies")) == 50


def test_known_policies_are_not_new(tmp_path):
    known = [Numbered(5).episode(index).policy for index in (0, 2)]
    write_policies(Numbered(5), 3, tmp_path, known=known)
    assert not {policy.description for policy in known} & set(descriptions(tmp_path / "policies"))


@pytest.mark.parametrize(
    ("change", "named"),
    [({"identity": {"seed": "2"}}, "seed"), ({"form": "parquet", "identity": {"seed": "1"}}, "form")],
)
def test_the_folder_of_another_source_is_refused(tmp_path, change, named):
    pytest.importorskip("pyarrow")
    write_policies(Numbered(100), 5, tmp_path, identity={"seed": "1"})
    with pytest.raises(RecipeError, match=f"another {named};.*choose another folder"):
        write_policies(Numbered(100), 9, tmp_path, **change)
    write_policies(Numbered(100), 9, tmp_path, identity={"seed": "1"})
    assert len(descriptions(tmp_path / "policies")) == 9


def test_texts_are_begun_ahead_and_written_in_order(tmp_path):
    log = []

    class Texts:
        ahead = 2

        def begin(self, policy):
            log.append(f"begin {policy.name}")

            def wait():
                log.append(f"wait {policy.name}")
                return [Sample(policy.name, f"about {policy.name}", 0, "r", Provenance("toy"))]

            return wait

    result = write_policies(Numbered(100), 4, tmp_path, texts=Texts())
    assert log[:5] == ["begin p0", "begin p1", "begin p2", "wait p0", "begin p3"]
    samples = [*read_samples(shard_paths(tmp_path / "samples"))]
    assert [sample.policy for sample in samples] == ["p0", "p1", "p2", "p3"] and result["samples"] == 4


def test_composed_policies_come_from_the_material(tiny_data, tmp_path):
    source = ComposedSource(Material.read(tiny_data), texts=4, seed=3)
    result = write_policies(source, 10, tmp_path)
    assert result["policies"] == 10 and result["samples"] >= 30
    assert source.episode(2) == ComposedSource(Material.read(tiny_data), texts=4, seed=3).episode(2)
    assert ComposedSource(Material.read(tiny_data), texts=0).episode(0).examples == ()
