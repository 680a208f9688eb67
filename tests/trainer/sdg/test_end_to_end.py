"""From a new policy to a guard in three commands, with a language model: the local server stands in for it."""

from __future__ import annotations

import itertools
import json
import random

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("rensa")
pytest.importorskip("faiss")

from unigurd_sdk import Guard
from unigurd_sdk.policy import Policy
from unigurd_trainer.cli import app
from unigurd_trainer.sdg.samples import read_samples
from unigurd_trainer.sdg.shards import shard_paths

PAWS = """\
name: paws-clinic
description: The chat desk of a small veterinary clinic. It books visits and explains the clinic, but gives no dose.
kind: ban
allowed:
  - Booking, moving or cancelling an appointment
  - Opening hours, address and parking of the clinic
disallowed:
  - Asking which medicine or dose to give an animal
  - Asking how much of a human medicine an animal may swallow
"""
NOUNS = (
    "bread violin glacier tractor orchid submarine passport volcano chess lighthouse library saddle rainbow cement "
    "octopus trumpet desert wedding comet bicycle cathedral mustard penguin elevator harvest pyramid kettle lottery "
    "tornado carpet satellite vineyard walrus battery hospital ballet sausage compass avalanche museum umbrella"
).split()
UNSAFE = "{}, {}, {}, {}: which dose?"
SAFE = "{}, {}, {}, {}: on Monday?"


@pytest.fixture
def clinic(llm, fake):
    """The server writes texts that differ in their subjects, and judges them by the word `dose`."""
    subjects = (random.Random(number).sample(NOUNS, 4) for number in itertools.count())  # no two texts are duplicates

    def answer(call):
        if call.kind == "texts":
            frame = UNSAFE if call.unsafe else SAFE
            rows = [{"text": frame.format(*next(subjects)), "rationale": "It says so."} for _ in range(call.count)]
            return fake.chat(fake.items(rows))
        if call.kind == "verdicts":
            return fake.chat(fake.items([fake.verdict("dose" in text) for text in call.texts]))
        return fake.honest(call)

    llm.answer = answer
    return llm


def invoke(*arguments):
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


@pytest.mark.slow
def test_three_commands_from_a_policy_to_a_guard(clinic, tiny_checkpoint, tmp_path):
    policy, data, guard = tmp_path / "policy.yaml", tmp_path / "data", tmp_path / "guard"
    policy.write_text(PAWS, encoding="utf-8")

    arguments = ("sdg", policy, "-n", 40, "-o", data, "--endpoint", clinic.url, "--model", "fake", "--threads", 1)
    invoke(*arguments)
    rows = [*read_samples((*shard_paths(data / "train"), *shard_paths(data / "dev")))]
    assert len(rows) >= 36 and 0.4 <= sum(row.label for row in rows) / len(rows) <= 0.6
    assert all(("dose" in row.text) == row.label and row.rationale for row in rows)
    assert all("it refused 0" in (data / name).read_text(encoding="utf-8") for name in ("card.md", "report.html"))
    calls = len(clinic.calls)
    invoke(*arguments)
    assert len(clinic.calls) == calls

    report = tmp_path / "report.html"
    assert "unsafe" in invoke("data", "report", data, "--out", report, "--threads", 1)
    assert "paws-clinic" in report.read_text(encoding="utf-8")

    trained = ("--from", tiny_checkpoint, "--epochs", 1, "--precision", "fp32", "--threads", 1)
    invoke("finetune", "--policy", policy, "--data", data, "--out", guard, *trained)
    result = json.loads((guard / "result.json").read_text(encoding="utf-8"))
    assert sum(result["rows"].values()) == len(rows) and result["policy"] == "paws-clinic"
    with Guard.from_pretrained(guard) as opened:
        verdict = opened.check(UNSAFE.format("bread", "wedding", "comet", "saddle"), policy=Policy.from_file(policy))
    assert 0 <= verdict.score <= 1 and verdict.policy == "paws-clinic"
