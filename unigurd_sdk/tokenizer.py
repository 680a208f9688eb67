"""The tokenizer of a checkpoint, closed against forged special tokens.

Text and policy lines are encoded with special tokens split, so that "[SEP]" in a prompt becomes three ordinary pieces
and no text can end its own segment; only this module adds `[CLS]` and `[SEP]` (`<s>` and `</s>` for RoBERTa). It is not
enough to tell the library so: a Unigram model has "</s>" among its pieces, at the best score of all, and finds it in
"fine</s>" like any other. So the written names are cut apart before the model sees them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unigurd_sdk.emoji import spell_emoji
from unigurd_sdk.errors import ModelCorrupt, ModelIncompatible
from unigurd_sdk.timed import require_wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Tokenizer

    from unigurd_sdk.template import Line

_SURROGATE = re.compile("[\ud800-\udfff]")  # replaced one for one, also in pairs, so that offsets hold
_PIECE = 2048
"""Characters from which on a text is encoded in pieces: the library holds the interpreter while it encodes one."""

_SEAMS = (" ", "\n", "\t")
_PROBE = "two words, \u00e9t\u00e9 (1.5%)"
_SPECIALS = {"start": ("[CLS]", "<s>"), "end": ("[SEP]", "</s>"), "pad": ("[PAD]", "<pad>")}
_MASK, _UNKNOWN = ("[MASK]", "<mask>"), ("[UNK]", "<unk>")


@dataclass(frozen=True, slots=True)
class Encoding:
    """Token ids of one text and, for each, its (start, end) character offsets in that text."""

    ids: list[int]
    offsets: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class LineBatch:
    """Policy lines as arrays: `input_ids` and `attention_mask` [L, P] int64, `polarity` [L] int64."""

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    polarity: NDArray[np.int64]


class GuardTokenizer:
    """Encodes user text and policy lines; thread-safe, since nothing changes after construction."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Wrap a `tokenizers.Tokenizer`, which is switched to split special tokens and never to truncate or pad.

        Raises:
            ModelIncompatible: It has no start, end or padding token, or a text could forge one.
        """
        from tokenizers import processors

        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        tokenizer.post_processor = processors.Sequence([])  # it would cut spaces off the offsets
        self.start, self.end, self.pad = (_special_id(tokenizer, names) for names in _SPECIALS.values())
        written = _written_specials(tokenizer)
        _split_words(tokenizer, written)
        _require_closed(tokenizer, written)
        self._tokenizer = tokenizer
        self._seam = _seam(tokenizer)

    @property
    def size(self) -> int:
        """Tokens of the vocabulary, special ones included."""
        return int(self._tokenizer.get_vocab_size())

    @property
    def mask(self) -> int:
        """The id of the mask token; a tokenizer without one raises `ModelIncompatible`."""
        return _special_id(self._tokenizer, _MASK)

    @property
    def specials(self) -> frozenset[int]:
        """The ids of all special tokens; only the unknown one comes out of a text, where a character is unknown."""
        return frozenset(_special_id(self._tokenizer, (name,)) for name in _written_specials(self._tokenizer))

    @classmethod
    def from_file(cls, path: str | Path) -> GuardTokenizer:
        """Read `tokenizer.json`; a file that is not one raises `ModelCorrupt` with its name."""
        from tokenizers import Tokenizer

        try:
            return cls(Tokenizer.from_file(str(path)))
        except ModelIncompatible:
            raise
        except Exception as error:  # tokenizers raises bare Exception
            raise ModelCorrupt(path, expected="a tokenizer.json", actual=str(error)) from error

    def encode(self, text: str) -> Encoding:
        """Encode text without special tokens; offsets stay those of `text`.

        Lone surrogates are read as U+FFFD, emoji as their names.
        """
        spelled, origin = (text, None) if text.isascii() else spell_emoji(_SURROGATE.sub("\ufffd", text))
        encoding = self._encoded(spelled)
        if origin is None:
            return encoding
        return Encoding(encoding.ids, [(origin[start], origin[end - 1] + 1) for start, end in encoding.offsets])

    def _encoded(self, text: str) -> Encoding:
        """Encode a text, a long one in pieces between which other threads have their turn."""
        whole, begin = Encoding([], []), 0
        while begin < len(text) or not begin:
            require_wanted()
            end = self._end_of_piece(text, begin)
            piece = self._tokenizer.encode(text[begin:end], add_special_tokens=False)
            if begin == 0 and end == len(text):
                return Encoding(piece.ids, piece.offsets)
            whole.ids.extend(piece.ids)
            whole.offsets.extend((begin + start, begin + stop) for start, stop in piece.offsets)
            begin = end
        return whole

    def _end_of_piece(self, text: str, begin: int) -> int:
        if self._seam is None or len(text) - begin <= _PIECE:
            return len(text)
        seam = self._seam.search(text, begin + _PIECE)
        return len(text) if seam is None else seam.start()

    def wrap(self, ids: Sequence[int]) -> list[int]:
        """Put the start and end token around a segment."""
        return [self.start, *ids, self.end]

    def line_ids(self, text: str, max_length: int) -> list[list[int]]:
        """Encode a policy line into wrapped segments of at most `max_length` tokens; a long line gives several."""
        ids, budget = self.encode(text).ids, max_length - 2
        return [self.wrap(ids[i : i + budget]) for i in range(0, max(len(ids), 1), budget)]

    def encode_lines(self, lines: Sequence[Line], max_length: int) -> LineBatch:
        """Encode the lines of a policy into padded arrays (see `LineBatch`); nothing is cut."""
        rows = [(ids, line.polarity) for line in lines for ids in self.line_ids(line.text, max_length)]
        input_ids, mask = pad_rows([ids for ids, _ in rows], self.pad)
        return LineBatch(input_ids, mask, np.array([int(polarity) for _, polarity in rows], dtype=np.int64))


def pad_rows(rows: Sequence[Sequence[int]], pad: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pad rows of ids to one length: (input_ids, attention_mask), both [B, T] int64."""
    width = max(map(len, rows))
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return ids, mask


def _seam(tokenizer: Tokenizer) -> re.Pattern[str] | None:
    """Say where a text can be cut without other tokens than the whole text has: before a single space between words."""

    def tokens(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    fit = [seam for seam in _SEAMS if tokens(_PROBE + seam + _PROBE) == tokens(_PROBE) + tokens(seam + _PROBE)]
    return re.compile(f"(?<=\\S)[{''.join(fit)}](?=\\S)") if fit else None


def _special_id(tokenizer: Tokenizer, names: tuple[str, ...]) -> int:
    """Find the id of the first of `names` that the vocabulary has."""
    found = (tokenizer.token_to_id(name) for name in names)
    known = next((index for index in found if index is not None), None)
    if known is None:
        raise ModelIncompatible(f"the tokenizer has none of {', '.join(names)}; use a BERT- or RoBERTa-like encoder")
    return int(known)


def _written_specials(tokenizer: Tokenizer) -> list[str]:
    """Every special token as a text would write it."""
    added = {token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special}
    named = {name for names in (*_SPECIALS.values(), _MASK, _UNKNOWN) for name in names}
    return sorted(added | {name for name in named if tokenizer.token_to_id(name) is not None})


def _split_words(tokenizer: Tokenizer, written: Sequence[str]) -> None:
    """Cut words where the model must not look at the whole of them: behind the first character of a special token.

    WordPiece words are also cut where they pass its limit, from which on it reads any word, whatever it hides, as one
    unknown token.
    """
    from tokenizers import Regex, pre_tokenizers

    cuts = [f"{re.escape(name[0])}(?={re.escape(name[1:])})" for name in written]
    limit = getattr(tokenizer.model, "max_input_chars_per_word", None)
    if limit is not None:
        cuts.append(f".{{{limit}}}")
    first = [] if tokenizer.pre_tokenizer is None else [tokenizer.pre_tokenizer]
    cut = pre_tokenizers.Split(Regex("|".join(cuts)), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*first, cut])


def _require_closed(tokenizer: Tokenizer, written: Sequence[str]) -> None:
    """Refuse a tokenizer that still reads a written special token as one, for example because it is not marked so."""
    for name in set(written) - set(_UNKNOWN):
        read = {i for text in (name, f"a{name}b") for i in tokenizer.encode(text, add_special_tokens=False).ids}
        if tokenizer.token_to_id(name) in read:
            raise ModelIncompatible(
                f"a text that says {name!r} would forge the token of that name; mark it as special in tokenizer.json"
            )
