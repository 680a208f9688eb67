"""The recipe of the loss in docs/training.md: every key with its default, and only keys that exist."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from pydantic import BaseModel

from unigurd_trainer.recipe import LossRecipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = Path(__file__).parents[3] / "docs" / "training.md"
NAMED_IN_A_COMMENT = {"top_m", "eps"}


def test_the_documented_loss_is_complete_and_shows_defaults():
    (block,) = [text for text in re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.S) if "[loss]" in text]
    shown = tomllib.loads(block)["loss"]
    assert (shown.pop("mlm"), shown.pop("alice")) == (0.1, 1.0)  # off by default
    assert LossRecipe.model_validate(shown) == LossRecipe()
    for name, part in [("", shown), ("masking", shown["masking"]), ("perturbation", shown["perturbation"])]:
        kind: type[BaseModel] = type(getattr(LossRecipe(), name)) if name else LossRecipe
        assert set(part) | NAMED_IN_A_COMMENT | {"mlm", "alice"} >= set(kind.model_fields)
    assert all(name in block for name in NAMED_IN_A_COMMENT)
