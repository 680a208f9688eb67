"""The baselines there are, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unigurd_trainer.baselines import (
    aegis,
    azure_content_safety,
    azure_prompt_shields,
    bedrock,
    chat_prompt,
    granite_guardian,
    llama_guard,
    nemo,
    openai_moderation,
    prompt_guard,
    shield_gemma,
    wild_guard,
)
from unigurd_trainer.baselines.baseline import Baseline
from unigurd_trainer.plugins import choose

__all__ = ["BASELINES", "find_baseline"]

BASELINES: Mapping[str, Baseline[Any]] = {
    module.BASELINE.name: module.BASELINE
    for module in (
        openai_moderation,
        chat_prompt,
        azure_content_safety,
        azure_prompt_shields,
        bedrock,
        nemo,
        llama_guard,
        aegis,
        shield_gemma,
        prompt_guard,
        wild_guard,
        granite_guardian,
    )
}


def find_baseline(name: str) -> Baseline[Any]:
    """Return the baseline of this name; RecipeError that lists them if there is none."""
    return choose(name, BASELINES, "baseline")
