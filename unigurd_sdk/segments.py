"""Segments: a text as the token ids that the model reads, one segment per window.

Each segment is `[CLS]`, the prefix (the role marker and, for a response, the prompt that it answers), a
window of the text, `[SEP]`. The prefix is context and not what is checked: a prompt that is too long keeps
its end only, up to a third of the segment. The text itself is never cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unigurd_sdk.template import Role, text_prefix
from unigurd_sdk.windows import Span, span, split

if TYPE_CHECKING:
    from unigurd_sdk.tokenizer import GuardTokenizer

_SPECIALS = 2
_PROMPT_SHARE = 3
_TOKEN_CHARS = 32  # a longer prompt cannot matter: its last tokens are what is kept


@dataclass(frozen=True, slots=True)
class Segments:
    """A text ready for the model: token ids and (start, end) characters of each window, and its tokens."""

    ids: tuple[list[int], ...]
    spans: tuple[Span, ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class Segmenter:
    """Cuts texts into segments of at most `max_length` tokens that overlap by about `overlap`."""

    tokenizer: GuardTokenizer
    max_length: int
    overlap: int

    def cut(self, text: str, role: Role, prompt: str | None = None) -> Segments:
        """Cut a text; every token of it is in a segment, and the empty text has one segment."""
        prefix = self._prefix(role, prompt)
        encoding = self.tokenizer.encode(text)
        budget = self.max_length - _SPECIALS - len(prefix)
        windows = split(len(encoding.ids), budget, min(self.overlap, budget // 2))
        return Segments(
            ids=tuple(self.tokenizer.wrap([*prefix, *encoding.ids[w.start : w.stop]]) for w in windows),
            spans=tuple(span(window, encoding.offsets, len(text)) for window in windows),
            tokens=len(encoding.ids),
        )

    def _prefix(self, role: Role, prompt: str | None) -> list[int]:
        """Encode what stands before each window; the prompt is user text and cannot forge a special token.

        The text is encoded on its own, as a policy line is; the space before it would be a token without a word.
        """
        if prompt is None:
            return self.tokenizer.encode(text_prefix(role).rstrip()).ids
        room = (self.max_length - _SPECIALS) // _PROMPT_SHARE
        tail = prompt[-room * _TOKEN_CHARS :]
        offsets = self.tokenizer.encode(tail).offsets
        kept = tail if len(offsets) <= room else tail[offsets[-room][0] :]
        return self.tokenizer.encode(text_prefix(role, kept).rstrip()).ids
