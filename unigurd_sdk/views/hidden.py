"""Characters that a reader does not see: what they spell, and the text without them.

Emoji smuggling, tag characters, bidirectional overrides and zero-width characters pass many guards almost always
(https://arxiv.org/abs/2504.11168). The flags of England, Scotland and Wales are made of tag characters too, and say
nothing else.
"""

from __future__ import annotations

import re

from unigurd_sdk.views.readable import readable
from unigurd_sdk.views.rewrite import Rewrite, substitute

__all__ = ["bidi", "bits", "invisible", "selectors", "tags"]


def _tagged(word: str) -> str:
    return "".join(chr(0xE0000 + ord(char)) for char in word)


_FLAG = f"\U0001f3f4{_tagged('gb')}(?:{'|'.join(map(_tagged, ('eng', 'sct', 'wls')))})\U000e007f"
_TAGS = re.compile(f"{_FLAG}|[\U000e0020-\U000e007e]+")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{3,}")
_BITS = re.compile("[\u200b-\u200f\u2060-\u2064\ufeff]{16,}")
_OVERRIDE = re.compile("\u202e([^\n\u2029\u202c\u202e]*)\u202c?")
_INVISIBLE = re.compile(
    "(?P<space>[\x0b\x0c\x1c-\x1f\x85\u2028\u2029]+)"
    "|[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)


def tags(text: str) -> Rewrite | None:
    """Spell out tag characters, an invisible copy of ASCII."""
    return None if text.isascii() else substitute(_TAGS, text, _untagged)


def selectors(text: str) -> Rewrite | None:
    """Read three or more variation selectors in a row, which no font asks for, as the bytes that they stand for."""
    return None if text.isascii() else substitute(_SELECTORS, text, _selected)


def bits(text: str) -> Rewrite | None:
    """Read long runs of two zero-width characters as the bits of a text."""
    return None if text.isascii() else substitute(_BITS, text, _from_bits)


def bidi(text: str) -> Rewrite | None:
    """Turn what a right-to-left override shows backwards into the order in which it is seen."""
    return None if text.isascii() else substitute(_OVERRIDE, text, lambda match: match[1][::-1])


def invisible(text: str) -> Rewrite | None:
    """Leave out control, format, filler and variation characters, and write odd line breaks as spaces.

    New lines and tabs stay. Tokenizers drop a form feed as a control character, and so join the words that it parts.
    """
    return substitute(_INVISIBLE, text, lambda match: " " if match["space"] else "")


def _untagged(match: re.Match[str]) -> str | None:
    if match[0][0] == "\U0001f3f4":
        return None
    return f" {''.join(chr(ord(char) - 0xE0000) for char in match[0])} "


def _selected(match: re.Match[str]) -> str | None:
    codes = (ord(char) for char in match[0])
    text = readable(bytes(code - 0xFE00 if code < 0xE0100 else code - 0xE0100 + 16 for code in codes))
    return None if text is None else f" {text} "


def _from_bits(match: re.Match[str]) -> str | None:
    """Read the run as bytes, with either of its two characters as the one."""
    pair = sorted(set(match[0]))
    if len(pair) != 2:
        return None
    for zero, one in (pair, pair[::-1]):
        digits = match[0].translate({ord(zero): "0", ord(one): "1"})
        text = readable(int(digits[at : at + 8], 2) for at in range(0, len(digits) - 7, 8))
        if text is not None:
            return f" {text} "
    return None
