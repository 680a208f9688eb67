"""The study's tables are read from what runs left behind."""

from __future__ import annotations

import json

import torch

from unigurd_trainer.study import SETS, run_row, untrained_auc


def test_a_row_is_the_last_validation_of_a_run(tmp_path):
    scores = {f"{name}/auc": 0.5 + place / 10 for place, name in enumerate(SETS)}
    early = {"examples": 10, "score": 0.1} | dict.fromkeys(scores, 0.1)
    records = [early, {"examples": 20, "score": 0.7} | scores, {"step": 40, "verdict_loss": 0.1}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (tmp_path / "result.json").write_text(json.dumps({"progress": {"seconds": 119.6}}))
    assert run_row(tmp_path) == (tmp_path.name, "120", "20", "0.500", "0.600", "0.700", "0.800", "0.900")


@torch.no_grad()
def test_the_untrained_model_is_measured_per_policy(make_setup, toy):
    setup = make_setup()
    value = untrained_auc(setup.model.eval(), setup.feed.collate, [toy().episode(index) for index in range(4)])
    assert 0.0 <= value <= 1.0
