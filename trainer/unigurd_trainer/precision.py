"""How a checkpoint stores its encoder's weights, and in what it computes."""

from __future__ import annotations

from typing import Literal

Precision = Literal["fp32", "int8", "int8-weights"]
"""float32; int8 weights and int8 arithmetic; int8 weights and float32 arithmetic."""
