"""A policy: in plain language, what a text may and may not do.

A policy is written in Python, as one sentence, or in a YAML or TOML file::

    name: tax
    description: The assistant explains tax law in general but gives no personal tax advice.
    allowed:
      - What a tax term means
    disallowed:
      - Asking how to lower one's own taxes
"""

from __future__ import annotations

import difflib
import hashlib
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from unigurd_sdk.errors import InvalidPolicy, UnknownPolicy
from unigurd_sdk.policy_file import (
    SUFFIXES,
    PolicyDocument,
    parse_document,
    read_document,
    render_document,
    write_document,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from typing_extensions import Self

__all__ = ["Policy", "PolicyExample", "is_policy_path", "is_sentence"]


def _ordered(value: object) -> object:
    """Accept a list or tuple only (a set has no order to fingerprint); an empty YAML value means none."""
    if value == "":
        return ()
    if not isinstance(value, (list, tuple)):
        raise ValueError("must be a list; in YAML start each item with '- '")
    return value


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Label = Annotated[str, StringConstraints(strip_whitespace=True)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=80)]


class PolicyExample(BaseModel):
    """A text with its right answer under the policy; documentation, the model does not read it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Text
    label: Literal["safe", "unsafe"]
    rationale: Label = ""


class Policy(BaseModel):
    """What a text may and may not do, in plain language. Immutable and hashable.

    Attributes:
        name: Lower-case letters, digits and hyphens; how verdicts and registries call it.
        title: A short heading for people.
        domain: A subject for grouping, such as ``finance``.
        kind: ``ban`` (everything but), ``scope`` (nothing but), ``mixed``, or empty if not stated.
        version: A number that the author raises with every change.
        description: The rule itself, one or more sentences.
        allowed: Behaviours that comply, one sentence each.
        disallowed: Behaviours that violate the policy, one sentence each.
        examples: Texts with their right answer, for readers and tests.

    Raises:
        InvalidPolicy: A field is missing, unknown, empty, or of the wrong type, or a behaviour occurs twice.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    title: Label = ""
    domain: Label = ""
    kind: Literal["ban", "scope", "mixed", ""] = ""
    version: Annotated[int, Field(ge=1)] = 1
    description: Text
    allowed: Annotated[tuple[Text, ...], BeforeValidator(_ordered)] = ()
    disallowed: Annotated[tuple[Text, ...], BeforeValidator(_ordered)] = ()
    examples: Annotated[tuple[PolicyExample, ...], BeforeValidator(_ordered)] = ()

    if TYPE_CHECKING:  # lists are welcome, which the types of the fields do not say

        def __init__(
            self,
            *,
            name: str,
            description: str,
            allowed: list[str] | tuple[str, ...] = (),
            disallowed: list[str] | tuple[str, ...] = (),
            title: str = "",
            domain: str = "",
            kind: Literal["ban", "scope", "mixed", ""] = "",
            version: int = 1,
            examples: list[PolicyExample] | tuple[PolicyExample, ...] = (),
        ) -> None: ...
    else:

        def __init__(self, **data: Any) -> None:  # noqa: ANN401
            """Check the fields; turn pydantic's report into one readable `InvalidPolicy`."""
            try:
                super().__init__(**data)
            except ValidationError as error:
                raise _explain(error) from error

    @model_validator(mode="after")
    def _no_duplicates(self) -> Self:
        seen: dict[str, str] = {}
        for side in ("allowed", "disallowed"):
            for index, behaviour in enumerate(getattr(self, side)):
                here, key = f"{side}.{index}", " ".join(behaviour.casefold().split())
                if key in seen:
                    raise ValueError(f"`{here}` repeats `{seen[key]}`; keep one of them")
                seen[key] = here
        return self

    @property
    def fingerprint(self) -> str:
        """16 hex digits of SHA-256 over what the model reads: description, allowed, disallowed."""
        return _fingerprint(self.description, self.allowed, self.disallowed)

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a ``.yaml``, ``.yml`` or ``.toml`` file; errors name the file and, in YAML, the line."""
        path = Path(path)
        return cls._from_document(read_document(path), path)

    @classmethod
    def from_source(cls, text: str, *, suffix: str = ".yaml", path: Path | None = None) -> Self:
        """Read the text of a policy file; `path` is only used in errors."""
        return cls._from_document(parse_document(text, suffix=suffix, path=path), path)

    @classmethod
    def from_text(cls, sentence: str) -> Self:
        """Make a policy out of a sentence; its name is ``custom-`` and the start of its fingerprint."""
        description = sentence.strip()
        return cls(name=f"custom-{_fingerprint(description, (), ())[:8]}", description=description)

    @classmethod
    def parse(cls, policy: str | Path | Policy) -> Policy:
        """Turn a policy, a path or a plain sentence into a policy, without a registry.

        Raises:
            UnknownPolicy: The text is a single word, which can only be a name in some registry.
        """
        if isinstance(policy, Policy):
            return policy
        if is_policy_path(policy):
            return cls.from_file(policy)
        if is_sentence(str(policy)):
            return cls.from_text(str(policy))
        raise UnknownPolicy(str(policy))

    def save(self, path: str | Path) -> None:
        """Write the policy as YAML or TOML, by the suffix; fields at their default are left out."""
        write_document(Path(path), self._fields())

    def to_source(self, suffix: str = ".yaml") -> str:
        """Return the text that `save` would write, as YAML or (``.toml``) TOML."""
        return render_document(self._fields(), suffix=suffix)

    def _fields(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_defaults=True)

    @classmethod
    def _from_document(cls, document: PolicyDocument, path: Path | None) -> Self:
        try:
            return cls(**document.data)
        except InvalidPolicy as error:
            line = document.line_of(error.locations[0]) if error.locations else None
            raise InvalidPolicy(error.reason, path=path, line=line, locations=error.locations) from error


def is_policy_path(policy: str | Path) -> bool:
    """Say whether this names a file: every `Path`, and a string that ends like a policy file."""
    return isinstance(policy, Path) or policy.strip().lower().endswith(SUFFIXES)


def is_sentence(text: str) -> bool:
    """Say whether a text is a rule in words and not a name.

    A sentence has white space inside, or letters of a script that may be written without it,
    such as Chinese, Japanese or Thai.
    """
    text = text.strip()
    return len(text.split()) > 1 or any(unicodedata.category(letter) == "Lo" for letter in text)


def _fingerprint(description: str, allowed: Sequence[str], disallowed: Sequence[str]) -> str:
    read = json.dumps([description, list(allowed), list(disallowed)], separators=(",", ":"))
    return hashlib.sha256(read.encode("ascii")).hexdigest()[:16]


def _explain(error: ValidationError) -> InvalidPolicy:
    details = error.errors(include_url=False)
    locations = tuple(".".join(str(part) for part in detail["loc"]) for detail in details)
    reasons = [_reason(detail, location) for detail, location in zip(details, locations, strict=True)]
    return InvalidPolicy("; ".join(reasons), locations=tuple(filter(None, locations)))


def _reason(detail: ErrorDetails, location: str) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown_field(detail["loc"], location)
    if kind == "missing":
        return f"`{location}` is missing; add it"
    if kind == "string_too_short":
        return f"`{location}` is empty; write it or remove it"
    if kind == "string_pattern_mismatch":
        return f"`{location}` may hold only a-z, 0-9 and hyphens and starts with a letter or digit"
    if kind == "string_type":
        return f"`{location}` must be text; put it in quotes"
    message = detail["msg"].removeprefix("Value error, ")
    return f"`{location}`: {message}" if location else message


def _unknown_field(place: Sequence[int | str], location: str) -> str:
    fields = list(PolicyExample.model_fields if len(place) > 1 else Policy.model_fields)
    close = difflib.get_close_matches(str(place[-1]).lower(), fields, n=1)
    advice = f"did you mean `{close[0]}`?" if close else f"the fields are {', '.join(fields)}"
    return f"`{location}` is not a field of a policy; {advice}"
