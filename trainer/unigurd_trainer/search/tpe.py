"""Optuna's tree-structured Parzen estimator as a sampler (extra `optuna`; Bergstra et al. 2011; Akiba et al. 2019)."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from unigurd_sdk.errors import MissingExtra
from unigurd_trainer.search.point import Point, Value
from unigurd_trainer.search.sampler import Observation, Sampler, SamplerOptions
from unigurd_trainer.search.space import Space

if TYPE_CHECKING:
    from optuna import Study, Trial

__all__ = ["Tpe", "TpeOptions"]

_LEAST = 1e-6


class TpeOptions(SamplerOptions):
    """Options."""

    startup: int = Field(default=10, ge=1, description="random points before the estimator takes over")
    multivariate: bool = True


class Tpe(Sampler):
    """Weights as -ln u_i of K numbers in (0, 1), which is uniform on the simplex where the u_i are uniform."""

    name: ClassVar[str] = "tpe"
    Options: ClassVar[type[SamplerOptions]] = TpeOptions

    options: TpeOptions

    def __init__(self, space: Space, seed: int, options: SamplerOptions) -> None:
        super().__init__(space, seed, options)
        self._study = _study(seed, self.options)
        self._open: list[Trial] = []
        first = space.first()
        start: dict[str, Any] = {_name(index): math.exp(-weight) for index, weight in enumerate(first.weights)}
        given = {
            name: values.index(dict(first.choices).get(name, values[0])) for name, values in space.dimensions.items()
        }
        self._study.enqueue_trial(start | given)

    def ask(self) -> Point:
        """Return the next point; the first one is the seed of the space."""
        trial = self._study.ask()
        self._open.append(trial)
        drawn = [trial.suggest_float(_name(index), _LEAST, 1 - _LEAST) for index in range(self.space.size)]
        choices: dict[str, Value] = {}
        for name, values in self.space.dimensions.items():
            choices[name] = values[trial.suggest_categorical(name, range(len(values)))]
        return self.space.point([-math.log(each) for each in drawn], choices)

    def propose(self) -> Point:
        """Return a point that is worth a try."""
        return self.ask()

    def tell(self, observation: Observation) -> None:
        """Tell the study."""
        self._study.tell(self._open.pop(0), observation.f1)

    def state(self) -> dict[str, Any]:
        """How many trials the estimator knows."""
        return {"trials": len(self._study.trials)}


def _name(index: int) -> str:
    return f"weight-{index}"


def _study(seed: int, options: TpeOptions) -> Study:
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise MissingExtra("optuna", extra="optuna", purpose="The sampler 'tpe'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=options.startup, multivariate=options.multivariate
        )
    return optuna.create_study(direction="maximize", sampler=sampler)
