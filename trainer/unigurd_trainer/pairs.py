"""What `--set NAME=VALUE` says on a command line, as the values of typed options."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from unigurd_trainer.errors import RecipeError

__all__ = ["parse_pairs", "typed_options"]

Options = TypeVar("Options", bound=BaseModel)


def parse_pairs(pairs: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values by name.

    Args:
        pairs: ``NAME=VALUE``; a value that starts like a JSON list or object is read as one.
        given: What other flags were given; None and empty strings were not.

    Raises:
        RecipeError: A pair is none, or its JSON is broken.
    """
    values = {key: value for key, value in given.items() if value not in ("", None)}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise RecipeError(f"--set takes NAME=VALUE, not {pair!r}.")
        values[key.strip().replace("-", "_")] = _value(value)
    return values


def typed_options(model: type[Options], values: Mapping[str, Any], whose: str) -> Options:
    """Return options of a type; RecipeError that names each wrong one, and all there are if one is unknown."""
    try:
        return model(**values)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        reasons = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in details)
        unknown = any(each["type"] == "extra_forbidden" for each in details)
        known = f" There are: {', '.join(model.model_fields)}." if unknown else ""
        raise RecipeError(f"The options of {whose} are wrong: {reasons}.{known}") from error


def _value(text: str) -> Any:  # noqa: ANN401 - whatever JSON may hold
    if not text.startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise RecipeError(f"--set: {text!r} is not JSON ({error}).") from error
