"""The loop of a search: ask, measure, tell, write down.

Points are asked for in generations: those of one are measured at the same time and know nothing of each other, and are
told in the order in which they were asked for. So what a search finds does not depend on which process was faster. A
search that was killed goes through the same loop again and takes what the journal already has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from unigurd_trainer.errors import RecipeError
from unigurd_trainer.search.executor import Executor
from unigurd_trainer.search.journal import Journal
from unigurd_trainer.search.outcome import Outcome
from unigurd_trainer.search.point import Point
from unigurd_trainer.search.sampler import Observation, Sampler
from unigurd_trainer.search.trial import TRIAL, Trial

__all__ = ["Observe", "Search", "best_trial"]

Observe = Callable[[Trial], None]


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """Return the trial of the highest F1 on all rows, the first of equal ones; None if there is none."""
    whole = [trial for trial in trials if not trial.aborted]
    return max(whole, key=lambda trial: (trial.estimate, -trial.number), default=None)


@dataclass(slots=True)
class Search:
    """A search under way.

    Attributes:
        sampler: Proposes points.
        executor: Measures them.
        journal: Where trials are written down.
        single: F1 of the best candidate alone, which is to be beaten.
        margin: How far behind the best trial on the first rows a trial is given up; None never gives up.
        observe: Told of each trial that was not in the journal yet.
        trials: Those so far.
    """

    sampler: Sampler
    executor: Executor
    journal: Journal
    single: float
    margin: float | None = None
    observe: Observe = lambda trial: None
    trials: list[Trial] = field(default_factory=list)

    def run(self, count: int, together: int = 1) -> list[Trial]:
        """Run until there are `count` trials, `together` at the same time.

        Raises:
            RecipeError: The journal has other points than this sampler asks for.
        """
        known = [Trial.from_record(record) for record in self.journal.of_kind(TRIAL)]
        while len(self.trials) < count:
            start = len(self.trials)
            points = [self.sampler.ask() for _ in range(min(together, count - start))]
            self._generation(points, known[start : start + len(points)])
        return self.trials

    def _generation(self, points: Sequence[Point], recorded: Sequence[Trial]) -> None:
        """Measure points; `recorded` are the trials of the first of them, where the journal has these."""
        best = best_trial(self.trials)
        for point, trial in zip(points, recorded, strict=False):
            _require_point(self.journal, trial, point)
            self.trials.append(self._told(point, trial.outcome, best, cached=trial.cached))
        for point, outcome, cached in self._measured(points[len(recorded) :], self._bar(best)):
            trial = self._told(point, outcome, best, cached=cached)
            self.journal.add(trial.to_record())
            self.trials.append(trial)
            self.observe(trial)

    def _measured(self, points: Sequence[Point], bar: float | None) -> Iterator[tuple[Point, Outcome, bool]]:
        """Yield points, their outcomes, and whether these were known."""
        seen = {trial.point: trial.outcome.reused() for trial in self.trials}
        running: dict[Point, Future[Outcome]] = {}
        for point in points:
            if point not in seen and point not in running:
                running[point] = self.executor.submit(point, bar)
        for point in points:
            cached = point in seen
            outcome = seen[point] if cached else running[point].result()
            seen[point] = outcome.reused()
            yield point, outcome, cached

    def _bar(self, best: Trial | None) -> float | None:
        if best is None or best.first is None or self.margin is None:
            return None
        return best.first - self.margin

    def _told(self, point: Point, outcome: Outcome, best: Trial | None, *, cached: bool) -> Trial:
        """Tell the sampler, and say how the search stands now; `best` is the best trial before this generation."""
        highest = self.trials[-1].best if self.trials else self.single
        estimate = outcome.f1 if outcome.f1 is not None else _estimated(outcome, best)
        improved = outcome.f1 is not None and outcome.f1 > highest
        self.sampler.tell(Observation(point, estimate, improved))
        return Trial(
            number=len(self.trials) + 1,
            point=point,
            outcome=outcome,
            estimate=estimate,
            cached=cached,
            improved=improved,
            best=estimate if improved else highest,
            posterior=self.sampler.state(),
        )


def _estimated(outcome: Outcome, best: Trial | None) -> float:
    """The best F1, less what a trial that was given up was behind on the first rows."""
    if best is None or best.first is None or outcome.first is None:
        raise RecipeError("A trial was given up and there is nothing it was compared with; begin in another folder.")
    return best.estimate + outcome.first - best.first


def _require_point(journal: Journal, trial: Trial, point: Point) -> None:
    if trial.point != point:
        raise RecipeError(
            f"{journal.file} has other points than this search asks for, from trial {trial.number} on. It was written "
            "by another version, or a plugin has changed; use another folder."
        )
