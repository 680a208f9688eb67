"""Plugins of the search: samplers, and observers of trials, whose errors stop nothing."""

import logging
from typing import ClassVar

import pytest

pytest.importorskip("torch")

from unigurd_sdk.errors import PluginError
from unigurd_trainer.hooks import hookimpl
from unigurd_trainer.search.observers import trial_observer
from unigurd_trainer.search.outcome import Outcome
from unigurd_trainer.search.point import Point
from unigurd_trainer.search.registry import BuiltinSamplers, load_samplers
from unigurd_trainer.search.sampler import Sampler, SamplerOptions
from unigurd_trainer.search.space import Space
from unigurd_trainer.search.trial import Trial

TRIAL = Trial(1, Point.of([1, 1], {}), Outcome(0.9, {"hate": 0.9}), 0.9, False, True, 0.9, {})


class Corners(Sampler):
    """A third party's sampler: one candidate after the other."""

    name: ClassVar[str] = "corners"

    def propose(self):
        turn = self._asked % self.space.size
        return self.space.point([float(index == turn) for index in range(self.space.size)], {"merge_type": "all"})


class Plugin:
    """A plugin with whatever samplers it is given."""

    def __init__(self, *provided):
        self._provided = provided

    @hookimpl
    def provide_samplers(self):
        return list(self._provided)


def test_a_sampler_of_a_plugin_stands_beside_the_built_in_ones():
    known = load_samplers([BuiltinSamplers(), Plugin(Corners)])
    assert sorted(known) == ["corners", "epsilon-greedy", "random", "thompson", "tpe", "ucb"]
    made = known["corners"](Space((0.5, 0.5), {"merge_type": ("all",)}), 0, SamplerOptions())
    assert [made.ask().weights for _ in range(3)] == [(0.5, 0.5), (1.0, 0.0), (0.0, 1.0)]


def test_names_that_are_taken_and_what_is_no_sampler_are_refused():
    with pytest.raises(PluginError, match="'corners' is taken by Plugin"):
        load_samplers([Plugin(Corners), Plugin(Corners)])
    for thing in (Sampler, object, "thompson"):
        with pytest.raises(PluginError, match="no subclass of Sampler with `name` and `propose`"):
            load_samplers([Plugin(thing)])


def test_an_observer_that_fails_is_logged_and_the_next_one_is_told(caplog):
    seen = []

    class Broken:
        @hookimpl
        def on_trial(self, trial):
            raise RuntimeError("no disk")

    class Works:
        @hookimpl
        def on_trial(self, trial):
            seen.append(trial.number)

    class Short:
        @hookimpl
        def on_trial(self):
            seen.append("short")

    with caplog.at_level(logging.ERROR):
        trial_observer([Works(), Broken(), Short()])(TRIAL)
    assert sorted(map(str, seen)) == ["1", "short"]
    assert "on_trial of" in caplog.text and "no disk" in caplog.text


def test_a_trial_is_itself_as_a_record():
    assert Trial.from_record(TRIAL.to_record()) == TRIAL
