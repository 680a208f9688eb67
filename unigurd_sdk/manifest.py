"""The manifest of a checkpoint: what `guard.json` says about the model beside it.

The manifest is the only description of a checkpoint that the client trusts: which files belong to it and
their hashes, how its inputs are rendered, how its logits become probabilities, and where it came from.
"""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from unigurd_sdk.aggregate import Method
from unigurd_sdk.errors import ModelCorrupt, ModelIncompatible
from unigurd_sdk.template import TEMPLATE_VERSION

FORMAT_VERSION = 1
"""Version of the layout of `guard.json` that this package reads and writes."""

MANIFEST_NAME = "guard.json"
"""File name of the manifest inside a checkpoint folder."""

PICKLE_SUFFIXES = frozenset({".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz"})
"""Formats that can run code when they are read; a checkpoint that needs one is refused."""

SAFE_SUFFIXES = frozenset({".json", ".onnx", ".safetensors"})
"""The only formats that a checkpoint consists of."""

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Scalar: TypeAlias = bool | int | float | str

_DRIVE = re.compile(r"^[A-Za-z]:")


class FileEntry(BaseModel):
    """What one file of the checkpoint has to be: its sha256 (64 hex digits) and its size in bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Manifest(BaseModel):
    """Everything that `guard.json` says.

    Lengths count tokens and include the special ones. Scores are sigmoid(logit / temperature); a text is
    unsafe from the threshold on. `thresholds` maps a built-in policy's name to its own threshold. `aggregation`,
    `window_slope` and `window_most` say how the windows of a text become one score (see `unigurd_sdk.aggregate`).
    Texts of more than `close_above` tokens (None: more than a window holds) are also read in windows of `close_length`
    tokens, unless that is 0 or more than half of `max_length`. `weights` maps a variant ("onnx", "torch") to its file,
    or to its files by role ("policy", "text"). `state` names the tensors of an encoded policy in the order of the
    policy graph's outputs. A `plain` checkpoint reads no policy.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format_version: Literal[1] = 1
    name: str = Field(min_length=1)
    template_version: int = TEMPLATE_VERSION
    interaction: str = Field(min_length=1)
    plain: bool = False
    base_model: str
    base_licence: str
    licence: str = "Apache-2.0"
    sources: tuple[str, ...] = ()
    interim: bool = False

    max_length: int = Field(ge=16, le=8192)
    line_length: int = Field(default=64, ge=8, le=8192)
    overlap: int = Field(default=32, ge=0)

    labels: tuple[Literal["safe"], Literal["unsafe"]] = ("safe", "unsafe")
    temperature: float = Field(default=1.0, gt=0.0)
    threshold: Probability = 0.5
    thresholds: dict[str, Probability] = Field(default_factory=dict)
    aggregation: Method = "max"
    window_slope: float = Field(default=0.75, ge=0.0)
    window_most: float = Field(default=3.0, ge=0.0)
    close_length: int = Field(default=52, ge=0)
    close_above: int | None = Field(default=None, ge=0)

    files: dict[str, FileEntry] = Field(default_factory=dict)
    weights: dict[str, str | dict[str, str]] = Field(default_factory=dict)
    state: tuple[str, ...] = ()
    config: dict[str, Scalar] = Field(default_factory=dict)

    recipe_hash: str = ""
    data_hash: str = ""
    seed: int | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    trained_seconds: float = Field(default=0.0, ge=0.0)
    examples_seen: int = Field(default=0, ge=0)
    scores: dict[str, dict[str, float]] = Field(default_factory=dict)

    @field_validator("files")
    @classmethod
    def _files_inside(cls, files: dict[str, FileEntry]) -> dict[str, FileEntry]:
        for name in files:
            relative_name(name)
        return files

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        if self.overlap > self.max_length // 2:
            raise ValueError(f"overlap {self.overlap} is more than half of max_length {self.max_length}")
        for files in self.weights.values():
            for name in [files] if isinstance(files, str) else files.values():
                relative_name(name)
        return self

    @classmethod
    def parse(cls, text: str | bytes) -> Manifest:
        """Read the content of a `guard.json`.

        Raises:
            ModelCorrupt: The content is not JSON, or breaks a rule of the format.
            ModelIncompatible: It was written for a newer or older version of this package.
        """
        try:
            raw = json.loads(text)
        except ValueError as error:
            raise ModelCorrupt(MANIFEST_NAME, expected="JSON", actual=str(error)) from error
        if not isinstance(raw, dict):
            raise ModelCorrupt(MANIFEST_NAME, expected="a JSON object", actual=type(raw).__name__)
        _refuse_other_versions(raw)
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ModelCorrupt(MANIFEST_NAME, expected="a manifest", actual=_explain(error)) from error

    def dump(self) -> str:
        """Write the manifest as `guard.json` text: indented, in field order, with a final newline."""
        return self.model_dump_json(indent=2) + "\n"

    @property
    def reads_close(self) -> bool:
        """True if close windows are much shorter than the others, so that they see something else."""
        return 0 < self.close_length <= self.max_length // 2

    def weight_file(self, variant: str, role: str = "") -> str:
        """Name the file of a weights variant, such as ("onnx", "policy") or ("torch", "").

        Raises:
            ModelIncompatible: The checkpoint has no such weights.
        """
        files = self.weights.get(variant)
        name = files if isinstance(files, str) else (files or {}).get(role)
        if name is None:
            wanted = f"{variant} ({role})" if role else variant
            raise ModelIncompatible(
                f"The checkpoint {self.name!r} has no weights for {wanted}, "
                f"only for {', '.join(self.weights) or 'nothing'}. "
                "Choose another runtime=, or export the checkpoint again."
            )
        return name

    def weight_files(self) -> tuple[str, ...]:
        """Name every file that the weights variants refer to."""
        groups = self.weights.values()
        return tuple(name for group in groups for name in ([group] if isinstance(group, str) else group.values()))


def relative_name(name: str) -> str:
    r"""Return `name` if it stays inside the folder; `..`, absolute names, drives and `\` raise ValueError."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name or _DRIVE.match(name):
        raise ValueError(f"the file name {name!r} leaves the checkpoint folder")
    return name


def _refuse_other_versions(raw: dict[str, Any]) -> None:
    """Refuse a manifest of another version before its unknown fields are reported as errors."""
    versions = (("format_version", FORMAT_VERSION), ("template_version", TEMPLATE_VERSION))
    for field, ours in versions:
        theirs = raw.get(field, ours)
        if theirs == ours or not isinstance(theirs, int):
            continue
        advice = (
            "Run: pip install --upgrade unigurd-sdk"
            if theirs > ours
            else "Export the checkpoint again with this version, or install the one that it was made with."
        )
        raise ModelIncompatible(f"The checkpoint has {field} {theirs}, this package reads {field} {ours}. {advice}")


def _explain(error: ValidationError) -> str:
    """Say in one line what the first problems of a manifest are."""
    problems = [f"{'.'.join(map(str, item['loc'])) or 'manifest'}: {item['msg']}" for item in error.errors()[:3]]
    return "; ".join(problems)
