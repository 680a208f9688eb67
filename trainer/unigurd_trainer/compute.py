"""Compute: the device that a run works on, and how many processes share its work and prepare its batches."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from unigurd_sdk.nn.model import GuardModel
from unigurd_trainer.batching import SLACK
from unigurd_trainer.errors import TrainerError
from unigurd_trainer.team import ALONE, Team

__all__ = ["DEFAULT", "Compute"]


@dataclass(frozen=True, slots=True)
class Compute:
    """Not part of a recipe: the same run can begin on one machine and go on at another.

    Attributes:
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        workers: Processes that collate batches ahead; 0 collates in the training process.
        parts: Parts that a step is computed in, one after the other: the same step in less memory.
        team: The processes that train together.
    """

    device: str = "cpu"
    workers: int = 0
    parts: int = 1
    team: Team = ALONE

    @property
    def slack(self) -> float:
        """Slack of length buckets (see `Collator`): little padding for a CPU, few kernels for a GPU."""
        return SLACK if self.device == "cpu" else 1.6

    def place(self, model: GuardModel) -> GuardModel:
        """Move the model to this process's device; one that is not there raises `TrainerError`."""
        if self.device != "cpu":
            if not torch.cuda.is_available():
                raise TrainerError(f'There is no GPU for device="{self.device}". Use "cpu", or a CUDA build of torch.')
            torch.set_float32_matmul_precision("high")
            torch.backends.cuda.enable_cudnn_sdp(False)  # it compiles a kernel for every new shape, for seconds
        return model.to(self.device if self.team.size == 1 else self.team.device)


DEFAULT = Compute()
"""The CPU, and no process beside the one that trains."""
