"""The processes that train one model together, each on its share of every step's episodes.

Started by `accelerate launch` or `torchrun`; a process that neither started is a team of one. Each process holds the
whole model. It computes its share of a step's loss (see `Batch.totals`), and gradients are added up, so that all take
the step that one process alone would have taken. The first process, the lead, validates, logs and saves.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from unigurd_sdk.errors import MissingExtra
from unigurd_trainer.errors import TrainerError

__all__ = ["ALONE", "Team", "join"]


@dataclass(frozen=True, slots=True)
class Team:
    """This process's `rank` among `size` processes, and the `device` on which their tensors meet."""

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def leads(self) -> bool:
        """Whether this process validates, logs and saves."""
        return self.rank == 0

    def add(self, values: Sequence[float]) -> list[float]:
        """Add up each value over all processes."""
        if self.size == 1:
            return list(values)
        summed = torch.tensor(values, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(summed)
        return summed.tolist()

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up gradients over all processes, in one message; a parameter that none has a gradient of keeps none."""
        if self.size == 1:
            return
        learn = [parameter for parameter in parameters if parameter.requires_grad]
        present = torch.tensor([float(p.grad is not None) for p in learn], device=self.device)
        flat = torch.cat([_gradient(parameter).flatten() for parameter in learn] + [present])
        torch.distributed.all_reduce(flat)
        sizes = [parameter.numel() for parameter in learn]
        *sums, present = torch.split(flat, [*sizes, len(learn)])
        for parameter, total, some in zip(learn, sums, present.tolist(), strict=True):
            parameter.grad = total.view_as(parameter) if some else None

    def from_lead(self, value: Any) -> Any:  # noqa: ANN401
        """Give every process the lead's value."""
        if self.size == 1:
            return value
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0, device=self.device)
        return box[0]

    def require_same_step(self, step: int) -> None:
        """Raise `TrainerError` unless all processes have come equally far; none goes on before all are here."""
        if self.from_lead(step) != step:
            raise TrainerError(
                f"Process {self.rank} is at step {step} and the first one is not: the output folder must be on a file "
                "system that all of them share."
            )


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


ALONE = Team()
"""One process, which needs nobody."""


def join(*, cpu: bool) -> Team:
    """Join the processes that the launcher started; without a launcher, be alone.

    Raises `MissingExtra` if there is a launcher but no `accelerate` (extra ``distributed``).
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return ALONE
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise MissingExtra("accelerate", extra="distributed") from error
    state = PartialState(cpu=cpu)
    return Team(state.process_index, state.num_processes, state.device)
