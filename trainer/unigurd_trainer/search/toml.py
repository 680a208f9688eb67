"""A merge recipe as TOML, so that what a search found can be merged again by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from unigurd_trainer.merge.recipe import MergeRecipe

__all__ = ["render_merge"]


def render_merge(recipe: MergeRecipe, comment: str) -> str:
    """Write a recipe as `unigurd-train merge apply` reads it; `comment` stands above."""
    values = recipe.model_dump(mode="json", exclude_defaults=True)
    options, candidates = values.pop("options", {}), values.pop("candidates")
    lines = [f"# {line}" for line in comment.splitlines()] + list(_table(values))
    if options:
        lines += ["", "[options]", *_table(options)]
    for candidate in candidates:
        lines += ["", "[[candidates]]", *_table(candidate)]
    return "\n".join(lines) + "\n"


def _table(values: Mapping[str, Any]) -> Iterator[str]:
    return (f"{key} = {_value(value)}" for key, value in values.items() if value is not None)


def _value(value: str | bool | int | float) -> str:
    """Strings, numbers and booleans are written as in JSON, but for the one character that TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
