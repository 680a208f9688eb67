"""Observers: every record goes to all of them, numbers go to TensorBoard."""

from __future__ import annotations

import sys
import warnings

import pytest

from unigurd_sdk.errors import MissingExtra
from unigurd_trainer.observers import fan_out, tensorboard_observer


def test_every_observer_sees_every_record_in_order():
    one: list[object] = []
    two: list[object] = []
    observe = fan_out([one.append, two.append])
    for step in range(3):
        observe({"step": step})
    assert one == two == [{"step": 0}, {"step": 1}, {"step": 2}]


def test_nobody_needs_to_watch():
    fan_out([])({"step": 1})


def test_numbers_become_scalars_at_their_step(tmp_path):
    pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("tensorboard")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        observe = tensorboard_observer(tmp_path)
        observe({"step": 20, "verdict_loss": 0.5, "examples": 7, "note": "text is left out"})
        observe({"step": 40, "verdict_loss": 0.25})
        events = EventAccumulator(str(tmp_path)).Reload()
    assert sorted(events.Tags()["scalars"]) == ["examples", "verdict_loss"]
    assert [(event.step, event.value) for event in events.Scalars("verdict_loss")] == [(20, 0.5), (40, 0.25)]


def test_without_tensorboard_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtra, match=r"unigurd-sdk\[tensorboard\]"):
        tensorboard_observer(tmp_path / "new")
    assert not (tmp_path / "new").exists()
