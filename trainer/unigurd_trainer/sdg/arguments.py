"""What the command line says about a generator, parsed: flags and `--set NAME=VALUE` become its options."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from unigurd_trainer.errors import RecipeError

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
    values = {key: value for key, value in given.items() if value not in ("", None)}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise RecipeError(f"--set takes NAME=VALUE, not {pair!r}.")
        values[key.strip().replace("-", "_")] = _value(value)
    return generator, _options(name, values)


def _value(text: str) -> Any:  # noqa: ANN401 - whatever JSON may hold
    """Read lists and mappings as JSON; everything else is left for the options to parse."""
    if not text.startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise RecipeError(f"--set: {text!r} is not JSON ({error}).") from error


def _options(name: str, values: dict[str, Any]) -> BaseModel | None:
    from pydantic import ValidationError

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
    try:
        return model(**values)
    except ValidationError as error:
        raise RecipeError(f"The options of the generator {name!r} are wrong: {_reasons(error)}") from error


def _reasons(error: Any) -> str:  # noqa: ANN401 - pydantic is imported at the point of use
    return "; ".join(
        f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors(include_url=False)
    )
