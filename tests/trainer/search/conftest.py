"""Searches in miniature."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def make_search(make_run, tiny_base):
    """Build the recipe of a search among three tiny runs: `make_search(trials=3, rows={...})`."""
    folders: list[Path] = []

    def make(**changes):
        from unigurd_trainer.search.recipe import SearchRecipe

        if not folders:
            folders.extend(make_run(seed) for seed in (1, 2, 3))
        values = {
            "candidates": [{"path": str(folder)} for folder in folders], "base": f"base:{tiny_base}",
            "method": ["average", "ties"], "options": {"ties": {"density": [0.2, 0.6]}},
            "trials": 6, "autocast": "fp32", "rows": {"least": 4, "max_text": 32, "max_line": 16},
        }  # fmt: skip
        return SearchRecipe.model_validate(values | changes)

    return make
