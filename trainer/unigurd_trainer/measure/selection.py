"""Selection: which sets are measured, from the data folder, from files, and from the Hub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unigurd_sdk.errors import ConfigError
from unigurd_trainer.measure.hub.load import hub_sets
from unigurd_trainer.measure.row_sets import read_policies_from, row_sets
from unigurd_trainer.measure.sets import EvaluationSet, report_sets

__all__ = ["Selection"]


@dataclass(frozen=True, slots=True)
class Selection:
    """What to measure on.

    Attributes:
        data: The data folder.
        sets: Sets of the data folder (see `report_sets`); None is all, or none if there are `rows` or `hub`.
        rows: Files or folders of rows (see `row_sets`).
        hub: Data sets of the Hub (see `hub_sets`).
        policies: Files of policies for `rows` and `hub` beside the built-in ones.
        holdout_seed: The one of the training recipe.
    """

    data: Path | None = None
    sets: Sequence[str] | None = None
    rows: Sequence[Path] = ()
    hub: Sequence[str] = ()
    policies: Sequence[Path] = ()
    holdout_seed: int = 0

    def read(self) -> list[EvaluationSet]:
        """Read the sets.

        Raises:
            ConfigError: Nothing is selected, a name is not known, or two sets have the same name.
            DataError, InvalidPolicy: Rows or policies cannot be used.
        """
        chosen = self._named()
        known = read_policies_from(self.policies)
        chosen += row_sets(self.rows, known) if self.rows else []
        chosen += hub_sets(self.hub, known)
        twice = [name for name, count in Counter(each.name for each in chosen).items() if count > 1]
        if twice:
            raise ConfigError(f"Two sets are called {twice[0]!r}; select one, or give its rows another source.")
        return chosen

    def _named(self) -> list[EvaluationSet]:
        if self.sets is None and (self.rows or self.hub):
            return []
        if self.data is None:
            raise ConfigError("There is nothing to measure on; give --data, --rows or --hub.")
        return report_sets(self.data, self.sets, holdout_seed=self.holdout_seed)
