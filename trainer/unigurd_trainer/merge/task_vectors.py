"""Task arithmetic: differences to a base, added up (Ilharco et al., https://arxiv.org/abs/2212.04089)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from pydantic import Field
from torch import Tensor

from unigurd_trainer.merge.method import MergeMethod, Site
from unigurd_trainer.merge.vectors import weighted_sum

__all__ = ["TaskArithmetic"]


class TaskArithmetic(MergeMethod):
    """The weighted sum of differences to the base, scaled."""

    name: ClassVar[str] = "task_arithmetic"
    needs_base: ClassVar[bool] = True

    scale: float = Field(default=1.0, allow_inf_nan=False, description="lambda")

    def combine(self, site: Site, prepared: None, weights: Sequence[float]) -> Iterator[Tensor]:
        """Yield lambda * sum_i w_i delta_i."""
        factors = [self.scale * weight for weight in weights]
        return (weighted_sum(parts, factors) for parts in site.deltas())
