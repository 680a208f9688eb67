"""What the command line says about a generator, parsed: flags and `--set NAME=VALUE` become its options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from unigurd_trainer.errors import RecipeError
from unigurd_trainer.pairs import parse_pairs, typed_options

if TYPE_CHECKING:
    from pydantic import BaseModel

    from unigurd_trainer.sdg.hooks import Generator

__all__ = ["parse_generator"]


def parse_generator(name: str, pairs: Sequence[str], given: dict[str, Any]) -> tuple[Generator, BaseModel | None]:
    """Find a generator and parse its options.

    Args:
        name: Its name.
        pairs: What `--set` was given, ``NAME=VALUE``.
        given: What other flags were given; None and empty strings were not.

    Raises:
        RecipeError: There is no such generator, or an option is unknown, missing or wrong.
    """
    from unigurd_trainer.sdg.registry import find_generator

    generator = find_generator(name)
    return generator, _options(name, parse_pairs(pairs, given))


def _options(name: str, values: dict[str, Any]) -> BaseModel | None:
    from unigurd_trainer.sdg.offline import OfflineOptions

    if name == "llm":
        from unigurd_trainer.sdg.llm import LlmOptions

        model: type[BaseModel] = LlmOptions
    elif name == "offline":
        model = OfflineOptions
    elif values:
        raise RecipeError(f"The generator {name!r} takes no options here, but got {', '.join(values)}.")
    else:
        return None
    return typed_options(model, values, f"the generator {name!r}")
