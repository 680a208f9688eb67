"""What an export may choose: how weights are stored and computed with, and which of a run's weights."""

from __future__ import annotations

from typing import Literal

Precision = Literal["fp32", "int8", "int8-weights"]
"""float32; int8 weights and int8 arithmetic; int8 weights and float32 arithmetic."""

Weights = Literal["best", "last"]
"""The weights of a run's best validation, or its last ones."""
